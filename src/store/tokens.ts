import type { Token, TokenScope } from '../model/token.ts';
import type { Connection, Database } from './database.ts';

/** A token with what proves its secret. */
export interface StoredToken extends Token {
  /** Hex of the secret's SHA-256. Secrets are 256 random bits, so a slow hash would protect nothing more. */
  secretHash: string;
}

/** The table of tokens. */
export interface TokenStore {
  insert(token: StoredToken, connection?: Connection): Promise<void>;
  byKey(key: string): Promise<StoredToken | null>;
  list(accountId: string): Promise<Token[]>;
  /** Returns the token as it is now, null when there is none to revoke. */
  revoke(input: { accountId: string; key: string; now: number }, connection?: Connection): Promise<Token | null>;
  touch(key: string, now: number): Promise<void>;
}

/** Returns the tokens table. */
export function createTokenStore({ knex }: Database): TokenStore {
  return {
    async insert(token, connection = knex) {
      await connection('tokens').insert(toRow(token));
    },

    async byKey(key) {
      const row = (await knex('tokens').where({ token_key: key }).first()) as TokenRow | undefined;
      return row ? fromRow(row) : null;
    },

    async list(accountId) {
      const rows = (await knex('tokens').where({ account_id: accountId }).orderBy('id')) as TokenRow[];
      return rows.map(shown);
    },

    async revoke({ accountId, key, now }, connection = knex) {
      const changed: number = await connection('tokens')
        .where({ account_id: accountId, token_key: key, revoked_at: null })
        .update({ revoked_at: now });
      if (changed === 0) return null;
      const row = (await connection('tokens').where({ token_key: key }).first()) as TokenRow;
      return shown(row);
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

function shown(row: TokenRow): Token {
  const { secretHash: _, ...token } = fromRow(row);
  return token;
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
