import { createAccounts } from '../core/accounts.ts';
import { createTokens, type Tokens } from '../core/tokens.ts';
import { GatewayError } from '../model/errors.ts';
import { createIdSource } from '../model/ids.ts';
import { createAccountStore } from '../store/accounts.ts';
import { createDatabase } from '../store/database.ts';
import { createInstanceStore } from '../store/instances.ts';
import { createTokenStore } from '../store/tokens.ts';
import type { Context } from './command.ts';

/** What commands reach without a running gateway: the same database, which both may use at once. */
export interface Store {
  /** The first account: the one that the command line acts for. */
  accountId: string;
  tokens: Tokens;
  /** @throws GatewayError instance_not_found, also for another account's */
  assertInstance(id: string): Promise<void>;
}

/** Opens the configured database for `work` and closes it after. */
export async function withStore<T>(context: Context, work: (store: Store) => Promise<T>): Promise<T> {
  const { databaseUrl, migrateAtStart } = context.config();
  const database = createDatabase(databaseUrl);
  try {
    if (migrateAtStart) await database.migrate();
    const { clock } = context;
    const account = await createAccounts({ store: createAccountStore(database), clock }).first();
    const tokens = createTokens({ store: createTokenStore(database), clock, newId: createIdSource(clock.now) });
    const instances = createInstanceStore(database);
    return await work({
      accountId: account.id,
      tokens,
      async assertInstance(id) {
        if ((await instances.byId(id))?.accountId !== account.id)
          throw new GatewayError('instance_not_found', `There is no instance ${id}.`);
      },
    });
  } finally {
    await database.close();
  }
}
