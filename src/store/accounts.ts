import type { Knex } from 'knex';
import { accountId } from '../model/ids.ts';
import type { Connection, Database } from './database.ts';
import { giveBackNumber, nextNumber } from './sequences.ts';

/** A tenant: owns instances, tokens, messages and webhooks. */
export interface Account {
  /** `CUST-0143` */
  id: string;
  title: string;
}

/** The table of accounts. */
export interface AccountStore {
  /** Returns the oldest account, made when there is none. */
  first(now: number): Promise<Account>;
  create(input: { title: string; now: number }): Promise<Account>;
}

/** The series that accounts are numbered by. */
const series = 'account';

/** Returns the accounts table. */
export function createAccountStore(database: Database): AccountStore {
  async function insert(
    trx: Knex.Transaction,
    input: { number: number; title: string; now: number },
  ): Promise<Account> {
    const account = { id: accountId(input.number), title: input.title };
    await trx('accounts').insert({ ...account, created_at: input.now });
    return account;
  }

  return {
    first: (now) =>
      database.transaction(async (trx) => {
        const known = await oldest(trx);
        if (known) return known;
        // Of two processes one waits here for the other.
        const number = await nextNumber(trx, series);
        const made = await oldest(trx);
        if (!made) return insert(trx, { number, title: 'First account', now });
        await giveBackNumber(trx, series, number);
        return made;
      }),
    create: ({ title, now }) =>
      database.transaction(async (trx) => insert(trx, { number: await nextNumber(trx, series), title, now })),
  };
}

async function oldest(connection: Connection): Promise<Account | undefined> {
  return (await connection('accounts').orderBy('created_at').orderBy('id').first('id', 'title')) as Account | undefined;
}
