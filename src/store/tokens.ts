import type { Token, TokenScope } from '../model/token.ts';
import type { Database } from './database.ts';

/** A token with what proves its secret. */
export interface StoredToken extends Token {
  /** Hex of the secret's SHA-256. Secrets are 256 random bits, so a slow hash would protect nothing more. */
  secretHash: string;
}

export interface TokenStore {
  insert(token: StoredToken): Promise<void>;
  byKey(key: string): Promise<StoredToken | null>;
  list(accountId: string): Promise<Token[]>;
  revoke(input: { accountId: string; key: string; now: number }): Promise<boolean>;
  touch(key: string, now: number): Promise<void>;
}

/** Returns the tokens table. */
export function createTokenStore({ knex }: Database): TokenStore {
  return {
    async insert(token) {
      await knex('tokens').insert(toRow(token));
    },

    async byKey(key) {
      const row = (await knex('tokens').where({ token_key: key }).first()) as TokenRow | undefined;
      return row ? fromRow(row) : null;
    },

    async list(accountId) {
      const rows = (await knex('tokens').where({ account_id: accountId }).orderBy('id')) as TokenRow[];
      return rows.map((row) => {
        const { secretHash: _, ...token } = fromRow(row);
        return token;
      });
    },

    async revoke({ accountId, key, now }) {
      const changed = await knex('tokens')
        .where({ account_id: accountId, token_key: key, revoked_at: null })
        .update({ revoked_at: now });
      return changed > 0;
    },

    async touch(key, now) {
      await knex('tokens').where({ token_key: key }).update({ last_used_at: now });
    },
  };
}

interface TokenRow {
  id: string;
  account_id: string;
  token_key: string;
  secret_hash: string;
  secret_tail: string;
  scope: TokenScope;
  instance_id: string | null;
  title: string;
  created_at: number;
  last_used_at: number | null;
  revoked_at: number | null;
}

function toRow(token: StoredToken): TokenRow {
  return {
    id: token.id,
    account_id: token.accountId,
    token_key: token.key,
    secret_hash: token.secretHash,
    secret_tail: token.secretTail,
    scope: token.scope,
    instance_id: token.instanceId,
    title: token.title,
    created_at: token.createdAt,
    last_used_at: token.lastUsedAt,
    revoked_at: token.revokedAt,
  };
}

function fromRow(row: TokenRow): StoredToken {
  return {
    id: row.id,
    accountId: row.account_id,
    key: row.token_key,
    secretHash: row.secret_hash,
    secretTail: row.secret_tail,
    scope: row.scope,
    instanceId: row.instance_id,
    title: row.title,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  };
}
