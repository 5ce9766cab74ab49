import { GatewayError } from '../model/errors.ts';
import type { Clock } from '../model/time.ts';
import type { Connection } from '../store/database.ts';
import type { IdempotencyStore } from '../store/idempotency.ts';

/** What a request with an Idempotency-Key is known by. */
export interface IdempotencyKey {
  key: string;
  /** Fingerprint of the method and all it was given. */
  requestHash: string;
}

/** What the database may remember of a request that is undone. */
export interface RecordedAnswer {
  accountId: string;
  key: string;
  answer: string;
}

/** Remembers what requests were answered, so that one that is repeated does nothing again. */
export interface Idempotency {
  /** Returns what the first request with this key was answered, null when this is the first. @throws GatewayError idempotency_conflict when it was another request */
  answered(accountId: string, request: IdempotencyKey): Promise<string | null>;
  /**
   * Writes the answer down in the transaction that does the work. Of two requests at the same time the second fails here: whoever
   * catches it asks `answered` again.
   */
  record(trx: Connection, accountId: string, request: IdempotencyKey, answer: string): Promise<void>;
  /** Forgets the key of a request whose work is undone, if this is its answer. */
  forget(trx: Connection, recorded: RecordedAnswer): Promise<void>;
  /** Forgets keys older than a day. */
  prune(): Promise<void>;
}

const keptMs = 86_400_000;

/** Returns the memory of repeated requests. */
export function createIdempotency({ store, clock }: { store: IdempotencyStore; clock: Clock }): Idempotency {
  return {
    async answered(accountId, { key, requestHash }) {
      const first = await store.find(accountId, key);
      if (!first) return null;
      if (first.requestHash !== requestHash) throw new GatewayError('idempotency_conflict');
      return first.answer;
    },

    record: (trx, accountId, request, answer) => store.insert(trx, { accountId, ...request, answer, now: clock.now() }),

    forget: (trx, recorded) => store.remove(trx, recorded),

    prune: () => store.prune(clock.now() - keptMs),
  };
}
