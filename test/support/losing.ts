import type { Database } from '../../src/store/database.ts';

/** A database that can be lost while it commits. */
export interface LosingDatabase extends Database {
  /**
   * The next commits stay without an answer: they happen all the same, or do not. With `thenAway` nothing is written after them; with
   * `known` that is known only when it resolves.
   */
  loseNext(count: number, happened: boolean, options?: { thenAway?: boolean; known?: Promise<void> }): void;
  comeBack(): void;
}

class Away extends Error {
  readonly code: string = 'DATABASE_TIMEOUT';
  readonly fatal = true;
}

class Lost extends Away {
  readonly undecidedOn = { id: 7, host: '127.0.0.1:40000' };
}

/** Returns the database with commits that can be lost, as `store/mysql.ts` tells it. */
export function losing(database: Database): LosingDatabase {
  let left = 0;
  let happens = false;
  let lost = 0;
  let goesAway = false;
  let isKnown: Promise<void> | undefined;

  async function mayLose<T>(happening: () => Promise<T>, undone: () => Promise<unknown>): Promise<T> {
    if (left === 0 && goesAway) throw new Away('the database is away');
    if (left === 0) return happening();
    left -= 1;
    await (happens ? happening() : undone().catch(() => undefined));
    await isKnown;
    lost += 1;
    throw new Lost('the database has not answered');
  }

  return {
    ...database,
    loseNext(count, happened, { thenAway = false, known } = {}) {
      left = count;
      happens = happened;
      goesAway = thenAway;
      isKnown = known;
    },
    comeBack: () => void (goesAway = false),
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
