import { createAccounts } from '../core/accounts.ts';
import { type Audit, createAudit } from '../core/audit.ts';
import { createTokens, type Tokens } from '../core/tokens.ts';
import { GatewayError } from '../model/errors.ts';
import { createIdSource } from '../model/ids.ts';
import { accountCaller, type Caller, commandLineTitle } from '../model/token.ts';
import { createAccountStore } from '../store/accounts.ts';
import { createDatabase, type Database } from '../store/database.ts';
import { createInstanceStore } from '../store/instances.ts';
import { createTokenStore } from '../store/tokens.ts';
import type { Context } from './command.ts';

/** What commands reach without a running gateway: the same database, which both may use at once. */
interface Store {
  /** The first account: the one that the command line acts for. */
  accountId: string;
  /** The command line, as who acts. */
  caller: Caller;
  tokens: Tokens;
  audit: Audit;
  /** @throws GatewayError instance_not_found, also for another account's */
  assertInstance(id: string): Promise<void>;
}

/** Opens the configured database for `work` and closes it after. */
export async function withDatabase<T>(context: Context, work: (database: Database) => Promise<T>): Promise<T> {
  const { databaseUrl, databaseTimeoutMs, migrateAtStart } = context.config();
  const database = createDatabase(databaseUrl, { timeoutMs: databaseTimeoutMs });
  try {
    if (migrateAtStart) await database.migrate();
    return await work(database);
  } finally {
    await database.close();
  }
}

/** Does `work` as the first account. */
export function withStore<T>(context: Context, work: (store: Store) => Promise<T>): Promise<T> {
  return withDatabase(context, async (database) => {
    const { clock } = context;
    const account = await createAccounts({ store: createAccountStore(database), clock }).first();
    const newId = createIdSource(clock.now);
    const audit = createAudit({ database, clock, newId });
    const tokens = createTokens({ database, store: createTokenStore(database), audit, clock, newId });
    const instances = createInstanceStore(database);
    return await work({
      accountId: account.id,
      caller: accountCaller(account.id, commandLineTitle),
      tokens,
      audit,
      async assertInstance(id) {
        if ((await instances.byId(id))?.accountId !== account.id)
          throw new GatewayError('instance_not_found', `There is no instance ${id}.`);
      },
    });
  });
}
