import type { Clock } from '../model/time.ts';
import type { Account, AccountStore } from '../store/accounts.ts';

export interface Accounts {
  /** Returns the first account, made when there is none. */
  first(): Promise<Account>;
}

/** Returns the use cases of accounts. */
export function createAccounts({ store, clock }: { store: AccountStore; clock: Clock }): Accounts {
  return { first: () => store.first(clock.now()) };
}
