import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../model/errors.ts';
import type { Clock } from '../model/time.ts';
import { accountCaller, type Caller, commandLineTitle, type Token, type TokenScope } from '../model/token.ts';
import type { Database } from '../store/database.ts';
import type { StoredToken, TokenStore } from '../store/tokens.ts';
import { type Audit, changesBetween } from './audit.ts';

interface NewToken {
  accountId: string;
  title: string;
  scope: TokenScope;
  /** Binds the token to one instance. */
  instanceId?: string | null;
}

/** The credentials of accounts. */
export interface Tokens {
  /** Makes a token and returns its secret, which is not kept; `by` is who asks for it. @throws GatewayError invalid_input */
  create(input: NewToken, by?: Caller): Promise<{ token: Token; secret: string }>;
  /** Makes a full token for one command of the command line, which revokes it; the audit log names its deeds, not it. */
  createPassing(accountId: string): Promise<{ token: Token; secret: string }>;
  /** Makes a full token with a given key and secret, or returns the one that is there. @throws GatewayError conflict when the key has another secret */
  ensure(input: { accountId: string; key: string; secret: string; title: string }): Promise<Token>;
  /** Returns who presents this pair, null when it is unknown, wrong or revoked. */
  authenticate(key: string, secret: string): Promise<Caller | null>;
  list(accountId: string): Promise<Token[]>;
  /** @throws GatewayError not_found */
  revoke(accountId: string, key: string, by?: Caller): Promise<void>;
}

const cacheMs = 5_000;
const cacheSize = 10_000;
const touchEveryMs = 60_000;

/** Returns the use cases of tokens. A key is 15 characters and a secret 43, `[A-Za-z0-9_-]`: with `token ` they fit Frappe's 140. */
export function createTokens({
  database,
  store,
  audit,
  clock,
  newId,
}: {
  database: Database;
  store: TokenStore;
  audit: Audit;
  clock: Clock;
  newId: () => string;
}): Tokens {
  const cache = new Map<string, { stored: StoredToken | null; readAt: number }>();
  const touched = new Map<string, number>();
  /** Counts the changes: what was read before one may be out of date. */
  let changes = 0;

  async function read(key: string): Promise<StoredToken | null> {
    const cached = cache.get(key);
    // A clock that was set back must not keep a token alive.
    if (cached && Math.abs(clock.now() - cached.readAt) < cacheMs) return cached.stored;
    const before = changes;
    const stored = await store.byKey(key);
    if (cache.size >= cacheSize) cache.clear();
    if (changes === before) cache.set(key, { stored, readAt: clock.now() });
    return stored;
  }

  function changed(key: string): void {
    changes += 1;
    cache.delete(key);
  }

  async function insert(
    input: NewToken,
    { key, secret, by }: { key: string; secret: string; by: Caller | null },
  ): Promise<Token> {
    const token: Token = {
      id: newId(),
      accountId: input.accountId,
      key,
      secretTail: secret.slice(-4),
      scope: input.scope,
      instanceId: input.instanceId ?? null,
      title: input.title,
      createdAt: clock.now(),
      lastUsedAt: null,
      revokedAt: null,
    };
    const { title, scope, instanceId } = token;
    const facts = changesBetween({}, { title, scope, instance: instanceId });
    await database.transaction(async (trx) => {
      await store.insert({ ...token, secretHash: hash(secret).toString('hex') }, trx);
      if (by) await audit.record(by, { action: 'token.created', subject: key, instanceId, changes: facts }, trx);
    });
    changed(key);
    return token;
  }

  async function make(input: NewToken, by: Caller | null): Promise<{ token: Token; secret: string }> {
    const secret = randomBytes(32).toString('base64url');
    return { token: await insert(input, { key: randomBytes(11).toString('base64url'), secret, by }), secret };
  }

  return {
    async create(input, by = accountCaller(input.accountId)) {
      if (input.title === commandLineTitle)
        throw new GatewayError('invalid_input', `The title ${commandLineTitle} is the gateway’s own: choose another`, {
          details: { title: 'is the gateway’s own' },
        });
      return make(input, by);
    },

    createPassing: (accountId) => make({ accountId, title: commandLineTitle, scope: 'full' }, null),

    async ensure({ accountId, key, secret, title }) {
      const stored = await store.byKey(key);
      if (!stored) return insert({ accountId, title, scope: 'full' }, { key, secret, by: accountCaller(accountId) });
      if (!matches(stored, secret))
        throw new GatewayError('conflict', `The API key ${key} exists with another secret: choose another key`);
      return stored;
    },

    async authenticate(key, secret) {
      const stored = await read(key);
      // The comparison runs for unknown keys too, so that time tells nothing.
      if (!matches(stored, secret) || !stored || stored.revokedAt !== null) return null;
      const now = clock.now();
      if (Math.abs(now - (touched.get(key) ?? 0)) > touchEveryMs) {
        touched.set(key, now);
        await store.touch(key, now);
      }
      const { secretHash: _, ...token } = stored;
      return { accountId: token.accountId, token };
    },

    list: (accountId) => store.list(accountId),

    async revoke(accountId, key, by = accountCaller(accountId)) {
      const revoked = await database.transaction(async (trx) => {
        const token = await store.revoke({ accountId, key, now: clock.now() }, trx);
        if (!token || token.title === commandLineTitle) return token;
        const { instanceId, title } = token;
        await audit.record(
          by,
          { action: 'token.revoked', subject: key, instanceId, changes: { title: { from: title } } },
          trx,
        );
        return token;
      });
      changed(key);
      if (!revoked) throw new GatewayError('not_found', `There is no active token with the key ${key}`);
    },
  };
}

function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function matches(stored: StoredToken | null, secret: string): boolean {
  const expected = stored ? Buffer.from(stored.secretHash, 'hex') : Buffer.alloc(32);
  return timingSafeEqual(expected, hash(secret));
}
