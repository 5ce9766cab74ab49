import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { reasonOf } from '../../model/errors.ts';
import type { Clock } from '../../model/time.ts';
import type { Attempt } from '../../model/webhook.ts';
import type { Database } from '../../store/database.ts';
import type { DeliveryResult, DeliveryStore } from '../../store/deliveries.ts';
import type { EndpointHealth, StoredEndpoint, WebhookStore } from '../../store/webhooks.ts';

/** What one delivery's end changes in the database. */
export interface Finished {
  endpoint: StoredEndpoint;
  result: DeliveryResult;
  attempts: Attempt[];
  /** Present when it changed. */
  health?: EndpointHealth;
  /** Present when the endpoint is to be left alone for good. */
  disabledReason?: string;
  /** True when the receiver is back: what waits for it is due now. */
  recovered?: boolean;
}

/** Writes the ends of deliveries in batches: one commit each would be the slowest part. */
interface Finisher {
  add(finished: Finished): void;
  /** Writes everything added so far; rejects when the database does not take it, which is tried again later. */
  flush(): Promise<void>;
  /** Writes what is left, once. */
  close(): Promise<void>;
  /** True while so much is unwritten that no more should be sent. */
  isFull(): boolean;
}

interface FinisherDeps {
  database: Database;
  deliveries: DeliveryStore;
  endpoints: WebhookStore;
  clock: Pick<Clock, 'now'>;
  log: Logger;
  /** Called in the transaction that disables an endpoint. */
  onDisabled(trx: Knex.Transaction, endpoint: StoredEndpoint, reason: string): Promise<void>;
  /** Called after a commit with what was written. */
  onWritten(finished: readonly Finished[]): void;
}

const batchSize = 64;
const batchMs = 20;
const retryMs = 500;
const fullSize = 512;

/** Returns the writer of results. */
export function createFinisher({
  database,
  deliveries,
  endpoints,
  clock,
  log,
  onDisabled,
  onWritten,
}: FinisherDeps): Finisher {
  let unwritten: Finished[] = [];
  let writing: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  /** True since a write failed: the next one waits. */
  let broken = false;

  function later(delayMs: number): void {
    if (closed) return;
    timer ??= setTimeout(() => {
      timer = null;
      void flush().catch(() => undefined); // Logged and repeated where it failed.
    }, delayMs);
  }

  async function write(): Promise<void> {
    const batch = unwritten;
    unwritten = [];
    try {
      await database.transaction(async (trx) => {
        const now = clock.now();
        await deliveries.finish(trx, {
          results: batch.map(({ result }) => result),
          attempts: batch.flatMap(({ attempts }) => attempts),
          now,
          // Its commit may have been made although it failed here: the connection broke before the answer.
          again: broken,
        });
        for (const { endpoint, health } of lastHealth(batch)) await endpoints.report(trx, endpoint, health);
        for (const { endpoint, disabledReason } of batch)
          if (disabledReason && (await endpoints.disable(trx, endpoint, disabledReason)))
            await onDisabled(trx, endpoint, disabledReason);
        for (const endpointId of recoveredIn(batch)) await deliveries.pullForward(trx, endpointId, now);
      });
    } catch (error) {
      unwritten = [...batch, ...unwritten];
      broken = true;
      log.error(
        { count: unwritten.length, error: reasonOf(error) },
        'webhook results could not be written: trying again',
      );
      later(retryMs);
      throw error;
    }
    broken = false;
    onWritten(batch);
  }

  /** Several may wait for the same write: whoever goes on first begins the next one at once, and the others wait for that too. */
  async function flush(): Promise<void> {
    if (writing) {
      await writing.catch(() => undefined);
      return flush();
    }
    if (unwritten.length === 0) return;
    if (timer) clearTimeout(timer);
    timer = null;
    writing = write().finally(() => (writing = null));
    await writing;
    hurry();
  }

  /** Writes at once when a whole batch is there, else soon. */
  function hurry(): void {
    if (unwritten.length === 0) return;
    if (unwritten.length >= batchSize && !writing && !broken) void flush().catch(() => undefined); // Logged and repeated where it failed.
    else later(broken ? retryMs : batchMs);
  }

  return {
    add(finished) {
      unwritten.push(finished);
      hurry();
    },
    flush,
    async close() {
      closed = true;
      await flush().catch(() => undefined); // Logged where it failed; what is not written is sent again.
    },
    isFull: () => unwritten.length >= fullSize,
  };
}

function lastHealth(batch: readonly Finished[]): { endpoint: Finished['endpoint']; health: EndpointHealth }[] {
  const last = new Map<string, { endpoint: Finished['endpoint']; health: EndpointHealth }>();
  for (const { endpoint, health } of batch) if (health) last.set(endpoint.id, { endpoint, health });
  return [...last.values()];
}

function recoveredIn(batch: readonly Finished[]): Set<string> {
  return new Set(batch.filter(({ recovered }) => recovered).map(({ endpoint }) => endpoint.id));
}
