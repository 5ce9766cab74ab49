import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Account, createAccountStore } from '../../src/store/accounts.ts';
import { createDatabase, type Database } from '../../src/store/database.ts';
import { forEachDatabase } from '../support/database.ts';

forEachDatabase((open) => {
  it('makes one first account when two processes begin on an empty database', async () => {
    const { database, url, drop } = await open();
    const other = createDatabase(url);
    let late: Promise<Account> | undefined;
    const made = await other.transaction(async (trx) => {
      const inside = { transaction: (work: (on: typeof trx) => Promise<unknown>) => work(trx) } as unknown as Database;
      const account = await createAccountStore(inside).first(1);
      late = createAccountStore(database).first(2);
      await Promise.race([late, sleep(200)]);
      return account;
    });
    expect(await late).toEqual(made);
    expect(await database.knex('accounts')).toHaveLength(1);
    expect((await createAccountStore(database).create({ title: 'Second', now: 3 })).id).toBe('CUST-0002');
    await other.close();
    await drop();
  });
});
