import type { Knex } from 'knex';
import { accountId } from '../model/ids.ts';
import type { Connection, Database } from './database.ts';
import { nextNumber } from './sequences.ts';

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

/** Returns the accounts table. */
export function createAccountStore(database: Database): AccountStore {
  async function insert(trx: Knex.Transaction, title: string, now: number): Promise<Account> {
    const account = { id: accountId(await nextNumber(trx, 'account')), title };
    await trx('accounts').insert({ ...account, created_at: now });
    return account;
  }

  return {
    first: (now) =>
      database.transaction(async (trx) => (await oldest(trx)) ?? (await insert(trx, 'First account', now))),
    create: ({ title, now }) => database.transaction((trx) => insert(trx, title, now)),
  };
}

async function oldest(connection: Connection): Promise<Account | undefined> {
  return (await connection('accounts').orderBy('created_at').orderBy('id').first('id', 'title')) as Account | undefined;
}
