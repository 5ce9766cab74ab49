import { afterEach, beforeEach, expect, it } from 'vitest';
import { createAudit } from '../../src/core/audit.ts';
import { createTokens, type Tokens } from '../../src/core/tokens.ts';
import { createAccountStore } from '../../src/store/accounts.ts';
import { createTokenStore, type TokenStore } from '../../src/store/tokens.ts';
import { createTestClock } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { newId } from '../support/factories.ts';

forEachDatabase((open) => {
  let opened: TestDatabase;
  let store: TokenStore;
  let tokens: Tokens;
  let accountId: string;

  beforeEach(async () => {
    opened = await open();
    const { database } = opened;
    store = createTokenStore(database);
    const clock = createTestClock();
    tokens = createTokens({ database, store, audit: createAudit({ database, clock, newId }), clock, newId });
    accountId = (await createAccountStore(database).first(1)).id;
  });
  afterEach(() => opened.drop());

  /** Something happens after the row was read and before the answer is there. */
  function afterReading(work: () => Promise<unknown>): void {
    const { byKey } = store;
    store.byKey = async (key) => {
      const row = await byKey(key);
      store.byKey = byKey;
      await work();
      return row;
    };
  }

  it('lets nobody in by a token that was revoked while it was read', async () => {
    const { token, secret } = await tokens.create({ accountId, title: 'a', scope: 'full' });
    afterReading(() => tokens.revoke(accountId, token.key));
    await tokens.authenticate(token.key, secret);
    expect(await tokens.authenticate(token.key, secret)).toBeNull();
  });

  it('knows a token that was made while it was looked for', async () => {
    const given = { accountId, key: 'a given key', secret: 'a given secret', title: 'bootstrap' };
    afterReading(() => tokens.ensure(given));
    expect(await tokens.authenticate(given.key, given.secret)).toBeNull();
    expect(await tokens.authenticate(given.key, given.secret)).toMatchObject({ accountId });
  });
});
