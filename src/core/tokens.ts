import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { GatewayError } from '../model/errors.ts';
import type { Clock } from '../model/time.ts';
import type { Caller, Token, TokenScope } from '../model/token.ts';
import type { StoredToken, TokenStore } from '../store/tokens.ts';

export interface NewToken {
  accountId: string;
  title: string;
  scope: TokenScope;
  /** Binds the token to one instance. */
  instanceId?: string | null;
}

export interface Tokens {
  /** Makes a token and returns its secret, which is not kept. */
  create(input: NewToken): Promise<{ token: Token; secret: string }>;
  /** Makes a full token with a given key and secret, or returns the one that is there. @throws GatewayError conflict when the key has another secret */
  ensure(input: { accountId: string; key: string; secret: string; title: string }): Promise<Token>;
  /** Returns who presents this pair, null when it is unknown, wrong or revoked. */
  authenticate(key: string, secret: string): Promise<Caller | null>;
  list(accountId: string): Promise<Token[]>;
  /** @throws GatewayError not_found */
  revoke(accountId: string, key: string): Promise<void>;
}

const cacheMs = 5_000;
const cacheSize = 10_000;
const touchEveryMs = 60_000;

/** Returns the use cases of tokens. A key is 15 characters and a secret 43, `[A-Za-z0-9_-]`: with `token ` they fit Frappe's 140. */
export function createTokens({
  store,
  clock,
  newId,
}: {
  store: TokenStore;
  clock: Clock;
  newId: () => string;
}): Tokens {
  const cache = new Map<string, { stored: StoredToken | null; readAt: number }>();
  const touched = new Map<string, number>();

  async function read(key: string): Promise<StoredToken | null> {
    const cached = cache.get(key);
    if (cached && clock.now() - cached.readAt < cacheMs) return cached.stored;
    const stored = await store.byKey(key);
    if (cache.size >= cacheSize) cache.clear();
    cache.set(key, { stored, readAt: clock.now() });
    return stored;
  }

  async function insert(input: NewToken, key: string, secret: string): Promise<Token> {
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
    await store.insert({ ...token, secretHash: hash(secret).toString('hex') });
    cache.delete(key);
    return token;
  }

  return {
    async create(input) {
      const secret = randomBytes(32).toString('base64url');
      return { token: await insert(input, randomBytes(11).toString('base64url'), secret), secret };
    },

    async ensure({ accountId, key, secret, title }) {
      const stored = await store.byKey(key);
      if (!stored) return insert({ accountId, title, scope: 'full' }, key, secret);
      if (!matches(stored, secret))
        throw new GatewayError('conflict', `The API key ${key} exists with another secret: choose another key`);
      return stored;
    },

    async authenticate(key, secret) {
      const stored = await read(key);
      // The comparison runs for unknown keys too, so that time tells nothing.
      if (!matches(stored, secret) || !stored || stored.revokedAt !== null) return null;
      const now = clock.now();
      if (now - (touched.get(key) ?? 0) > touchEveryMs) {
        touched.set(key, now);
        await store.touch(key, now);
      }
      const { secretHash: _, ...token } = stored;
      return { accountId: token.accountId, token };
    },

    list: (accountId) => store.list(accountId),

    async revoke(accountId, key) {
      const revoked = await store.revoke({ accountId, key, now: clock.now() });
      cache.delete(key);
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
