import type { Database } from '../../src/store/database.ts';

/** A database that can be lost while it commits. */
export interface LosingDatabase extends Database {
  /** The next commits stay without an answer: they happen all the same, or do not. */
  loseNext(count: number, happened: boolean): void;
}

class Lost extends Error {
  readonly code = 'DATABASE_TIMEOUT';
  readonly fatal = true;
  readonly undecided = true;
}

/** Returns the database with commits that can be lost, as `store/mysql.ts` tells it. */
export function losing(database: Database): LosingDatabase {
  let left = 0;
  let happens = false;
  let lost = 0;

  async function mayLose<T>(happening: () => Promise<T>, undone: () => Promise<unknown>): Promise<T> {
    if (left === 0) return happening();
    left -= 1;
    await (happens ? happening() : undone().catch(() => undefined));
    lost += 1;
    throw new Lost('the database has not answered');
  }

  return {
    ...database,
    loseNext(count, happened) {
      left = count;
      happens = happened;
    },
    undecided: () => lost,
    statement: (work) =>
      mayLose(
        () => database.statement(work),
        () => Promise.resolve(),
      ),
    transaction: (work) =>
      mayLose(
        () => database.transaction(work),
        () =>
          database.transaction(async (trx) => {
            await work(trx);
            throw new Error('rolled back');
          }),
      ),
  };
}
