import type { Knex } from 'knex';
import type { Database } from '../../src/store/database.ts';

const rehearsed = new Error('the end of a rehearsal');

/**
 * Returns the database as one whose every transaction is chosen as a deadlock's victim at its end, once: its work runs, is rolled
 * back, and runs again. Work that does more than touch the database does that twice, and tests see it.
 */
export function repeating(database: Database): Database {
  return {
    ...database,
    async transaction<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
      try {
        await database.transaction(async (trx) => {
          await work(trx);
          throw rehearsed;
        });
      } catch (error) {
        if (error !== rehearsed) throw error;
      }
      return database.transaction(work);
    },
  };
}
