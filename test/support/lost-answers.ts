import type { Database } from '../../src/store/database.ts';

/** A database that can keep from its caller that a transaction was committed. */
export interface ForgetfulDatabase extends Database {
  /** The next so many transactions are committed, and fail all the same: the connection broke before the answer came. */
  loseAnswers(count: number): void;
}

/** Returns the database with that fault. */
export function forgetful(database: Database): ForgetfulDatabase {
  let lost = 0;

  return {
    ...database,
    loseAnswers(count) {
      lost = count;
    },
    async transaction(work) {
      const result = await database.transaction(work);
      if (lost <= 0) return result;
      lost -= 1;
      throw Object.assign(new Error('Connection lost: The server closed the connection.'), {
        code: 'PROTOCOL_CONNECTION_LOST',
      });
    },
  };
}
