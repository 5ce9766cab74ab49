import type { NewEvent } from '../../model/events.ts';
import type { Message, MessageState } from '../../model/message.ts';
import type { Database } from '../../store/database.ts';
import type { Announcer } from '../announcer.ts';
import type { End } from '../supervisor/end.ts';
import type { Finished } from '../webhook/finisher.ts';
import { createGauges, type GaugeSources } from './gauges.ts';
import { createRegistry } from './registry.ts';

/** What the gateway measures of itself. */
export interface Metrics {
  /** Returns everything in Prometheus' text format; calls at the same time share one reading. */
  text(): Promise<string>;
  readonly contentType: string;
  /** Returns the announcer, counting what it announces once that is committed. */
  watchEvents(announcer: Announcer): Announcer;
  /** Returns the database, timing its transactions. */
  watchDatabase(database: Database): Database;
  /** Counts the end of a send. */
  sendEnded(message: Message, result: MessageState): void;
  /** Counts the end of a browser. */
  browserEnded(end: End): void;
  /** Counts webhook attempts that are written, and what they came to. */
  webhooksWritten(finished: readonly Finished[]): void;
  /** Counts an answered API call; `route` is null for what no route claims. */
  requestEnded(request: { route: string | null; status: number; durationMs: number }): void;
}

interface MetricsDeps extends GaugeSources {
  /** True to measure the process too: its memory, its CPU, its event loop. */
  withProcess: boolean;
}

/** Returns the metrics of one gateway. */
export function createMetrics(deps: MetricsDeps): Metrics {
  const { clock } = deps;
  const { registry, metrics } = createRegistry({ withProcess: deps.withProcess });
  const readGauges = createGauges({ ...deps, metrics });
  let reading: Promise<string> | null = null;

  async function read(): Promise<string> {
    await readGauges();
    return registry.metrics();
  }

  function countEvents(events: readonly NewEvent[]): void {
    for (const event of events) {
      if (event.type === 'message.received') metrics.messages_received_total.inc();
      else if (event.type === 'message.status')
        metrics.message_status_total.inc({ state: (event as NewEvent<'message.status'>).payload.state });
      else if (event.type === 'instance.status')
        metrics.instance_changes_total.inc({ state: (event as NewEvent<'instance.status'>).payload.state });
    }
  }

  return {
    text: () => (reading ??= read().finally(() => (reading = null))),
    contentType: registry.contentType,

    watchEvents: (announcer) => ({
      async enqueue(trx, events) {
        await announcer.enqueue(trx, events);
        // A transaction that is rolled back has told nothing; its maker hears of the failure.
        if (events.length > 0)
          trx.executionPromise.then(
            () => countEvents(events),
            () => undefined,
          );
      },
    }),

    watchDatabase: (database) => ({
      ...database,
      async transaction(work) {
        const end = metrics.database_transaction_seconds.startTimer();
        try {
          return await database.transaction(work);
        } finally {
          end();
        }
      },
    }),

    sendEnded(message, result) {
      metrics.messages_ended_total.inc({ type: message.content.type, result });
      if (result === 'accepted') {
        const dueAt = Math.max(message.createdAt, message.sendAt ?? 0);
        metrics.send_seconds.observe(Math.max(0, clock.now() - dueAt) / 1000);
      }
    },

    browserEnded: (end) => metrics.browser_ends_total.inc({ cause: causeOf(end) }),

    webhooksWritten(finished) {
      for (const { result, attempts } of finished) {
        metrics.webhook_deliveries_total.inc({ result: result.state });
        for (const { status, durationMs } of attempts) {
          metrics.webhook_attempts_total.inc({ result: status === null ? 'none' : `${Math.floor(status / 100)}xx` });
          metrics.webhook_attempt_seconds.observe(durationMs / 1000);
        }
      }
    },

    requestEnded({ route, status, durationMs }) {
      metrics.http_requests_total.inc({ route: route ?? 'other', status });
      metrics.http_request_seconds.observe({ route: route ?? 'other' }, durationMs / 1000);
    },
  };
}

/** A closed set: sentences would make a new series for each wording. */
function causeOf(end: End): string {
  if (end.kind !== 'closed') return end.kind;
  if (end.code) return end.code;
  if (end.isDead) return 'silent';
  return end.stuckIn ? 'stuck' : 'closed';
}
