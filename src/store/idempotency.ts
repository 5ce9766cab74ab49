import type { Connection, Database } from './database.ts';

/** What was answered to a request that carried an Idempotency-Key. */
interface IdempotencyEntry {
  requestHash: string;
  answer: string;
}

/** The table of idempotency keys. */
export interface IdempotencyStore {
  find(accountId: string, key: string): Promise<IdempotencyEntry | null>;
  insert(trx: Connection, input: { accountId: string; key: string; now: number } & IdempotencyEntry): Promise<void>;
  /** Forgets a key where this is its answer. */
  remove(trx: Connection, input: { accountId: string; key: string; answer: string }): Promise<void>;
  /** Forgets keys older than this Unix ms. */
  prune(before: number): Promise<void>;
}

/** Returns the idempotency_keys table; its primary key refuses the second of two simultaneous requests. */
export function createIdempotencyStore({ knex }: Database): IdempotencyStore {
  return {
    async find(accountId, key) {
      const row = (await knex('idempotency_keys').where({ account_id: accountId, idempotency_key: key }).first()) as
        | { request_hash: string; answer: string }
        | undefined;
      return row ? { requestHash: row.request_hash, answer: row.answer } : null;
    },

    async insert(trx, { accountId, key, now, requestHash, answer }) {
      await trx('idempotency_keys').insert({
        account_id: accountId,
        idempotency_key: key,
        request_hash: requestHash,
        answer,
        created_at: now,
      });
    },

    async remove(trx, { accountId, key, answer }) {
      await trx('idempotency_keys').where({ account_id: accountId, idempotency_key: key, answer }).delete();
    },

    async prune(before) {
      await knex('idempotency_keys').where('created_at', '<', before).delete();
    },
  };
}
