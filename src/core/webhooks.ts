import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { reasonOf } from '../model/errors.ts';
import type { GatewayEvent, NewEvent } from '../model/events.ts';
import type { Instance } from '../model/instance.ts';
import type { Message } from '../model/message.ts';
import type { Clock } from '../model/time.ts';
import { accountCaller } from '../model/token.ts';
import type { WebhookDialect } from '../model/webhook.ts';
import type { Outbound } from '../outbound.ts';
import { type Connection, type Database, Outdated } from '../store/database.ts';
import { createDeliveryStore } from '../store/deliveries.ts';
import { createEventStore } from '../store/events.ts';
import { createWebhookHistory } from '../store/webhook-history.ts';
import { createWebhookStore, type StoredEndpoint } from '../store/webhooks.ts';
import type { Announcer } from './announcer.ts';
import { createAudit } from './audit.ts';
import type { Media } from './media.ts';
import type { Secrets } from './secrets.ts';
import { withoutQuery } from './webhook/confidence.ts';
import { createEndpoints, type WebhookEndpoints } from './webhook/endpoints.ts';
import type { Finished } from './webhook/finisher.ts';
import { createHistory, type WebhookHistory } from './webhook/history.ts';
import { createComposer } from './webhook/request.ts';
import { defaultPolicy, type WebhookPolicy } from './webhook/schedule.ts';
import { createWebhookWorker } from './webhook/worker.ts';

/** What webhooks stand on. */
export interface WebhookDeps {
  database: Database;
  messages: { byIds(ids: string[]): Promise<Message[]> };
  instances: { byIds(ids: string[]): Promise<Instance[]> };
  /** By name: how each dialect words its webhooks. Asked when needed, since the dialects are made after the core. */
  dialects: () => Readonly<Record<string, WebhookDialect>>;
  outbound: Pick<Outbound, 'post' | 'assertAllowed'>;
  media: Pick<Media, 'get' | 'readBase64' | 'signedUrl'>;
  secrets: Pick<Secrets, 'seal' | 'open'>;
  clock: Clock;
  /** A number in 0 … 1. */
  random: () => number;
  newId: () => string;
  log: Logger;
  /** `WapBridge-Gateway/<version>` */
  userAgent: string;
  /** How long a receiver may take. */
  timeoutMs: number;
  /** Files up to this size travel inside the body. */
  inlineMaxBytes: number;
  /** No body is larger: files that do not fit go as signed links. */
  bodyMaxBytes: number;
  /** How long events, deliveries and attempts are kept. */
  retentionDays: number;
  policy?: Partial<WebhookPolicy>;
  /** Called with results once they are written. */
  watch?(finished: readonly Finished[]): void;
}

/** Events on their way to the receivers that want them. */
export interface Webhooks extends Announcer, WebhookEndpoints, WebhookHistory {
  /** Tells whether some endpoint wants such an event now; for events that are not worth a row otherwise. */
  wanted(event: Pick<GatewayEvent, 'accountId' | 'instanceId' | 'type'>): Promise<boolean>;
  /** Begins to deliver, with what is left from before. */
  start(): void;
  /** Lets requests under way end within `timeoutMs` (5 s); what did not end is delivered again after the next start, with the same id. */
  stop(timeoutMs?: number): Promise<void>;
}

/** Another process (the CLI) may change endpoints: the list is read again after this time. */
const cacheMs = 5000;

/** Returns the webhooks. */
export function createWebhooks(deps: WebhookDeps): Webhooks {
  const { clock, newId } = deps;
  const endpoints = createWebhookStore(deps.database);
  const deliveries = createDeliveryStore(deps.database);
  const events = createEventStore(deps.database);
  const audit = createAudit(deps);
  const composer = createComposer(deps);
  const worker = createWebhookWorker({
    ...deps,
    endpoints,
    deliveries,
    composer,
    onDisabled,
    policy: { ...defaultPolicy, ...deps.policy },
  });
  let cache: { list: StoredEndpoint[]; readAt: number } | null = null;
  let changedAt = -Infinity;

  /** Read through the caller's transaction: on SQLite there is no second connection. */
  async function enabledEndpoints(trx: Connection): Promise<StoredEndpoint[]> {
    const now = clock.now();
    if (cache && now - cache.readAt < cacheMs && now >= cache.readAt) return cache.list;
    const list = await endpoints.enabled(trx);
    // The transaction may be older than a change that was just made: its view is right for it, not for those after it.
    cache = now - changedAt < cacheMs ? null : { list, readAt: now };
    return list;
  }

  function changed(): void {
    cache = null;
    changedAt = clock.now();
  }

  async function enqueue(trx: Knex.Transaction, news: NewEvent[]): Promise<void> {
    if (news.length === 0) return;
    const createdAt = clock.now();
    const stored = news.map((event): GatewayEvent => ({ ...event, id: newId(), createdAt }));
    const list = await enabledEndpoints(trx);
    const wanted = stored.flatMap((event) =>
      wanting(list, event).map((endpoint) => ({ id: newId(), endpointId: endpoint.id, event })),
    );
    await events.insert(trx, stored);
    await deliveries.insert(trx, wanted).catch((error: unknown) => {
      if (error instanceof Outdated) changed();
      throw error;
    });
    if (wanted.length === 0) return;
    const touched = new Set(wanted.map(({ endpointId }) => endpointId));
    // A transaction that is rolled back wakes nobody; its maker hears of the failure.
    trx.executionPromise.then(
      () => worker.wake(touched),
      () => undefined,
    );
  }

  /** An account's endpoint and its instance's with the same address are one receiver: it gets the event once. */
  function wanting(list: readonly StoredEndpoint[], event: GatewayEvent): StoredEndpoint[] {
    const found = list.filter((endpoint) => wants(endpoint, event));
    return found.filter(
      (endpoint) =>
        endpoint.instanceId !== null ||
        !found.some(
          (other) => other.instanceId !== null && other.url === endpoint.url && other.dialect === endpoint.dialect,
        ),
    );
  }

  function wants(endpoint: StoredEndpoint, event: Pick<GatewayEvent, 'accountId' | 'instanceId' | 'type'>): boolean {
    const isAsked = endpoint.events.includes(event.type) || endpoint.events.includes('*');
    if (endpoint.accountId !== event.accountId || !isAsked) return false;
    if (endpoint.instanceId !== null && endpoint.instanceId !== event.instanceId) return false;
    return deps.dialects()[endpoint.dialect]?.render[event.type] !== undefined;
  }

  /** The owner's other endpoints hear of it. */
  async function onDisabled(trx: Knex.Transaction, endpoint: StoredEndpoint, reason: string): Promise<void> {
    changed();
    const { id, accountId, instanceId, url } = endpoint;
    const fact = { action: 'webhook.disabled', subject: id, instanceId, changes: { reason: { to: reason } } } as const;
    await audit.record(accountCaller(accountId), fact, trx);
    const payload = { endpointId: id, url: withoutQuery(url), reason };
    await enqueue(trx, [{ accountId, instanceId, type: 'webhook.disabled', payload, orderKey: id }]);
    deps.log.error({ endpoint: id, reason }, 'webhook disabled');
  }

  const management = createEndpoints({
    ...deps,
    endpoints,
    audit,
    changed(endpointId) {
      changed();
      if (endpointId !== null) worker.refresh(endpointId);
    },
  });
  const history = createHistory({
    ...deps,
    endpoints,
    deliveryStore: deliveries,
    history: createWebhookHistory(deps.database),
    composer,
    wants,
    wake: (endpointId) => worker.wake([endpointId]),
  });

  return {
    enqueue,
    wanted: async (event) => (await enabledEndpoints(deps.database.knex)).some((endpoint) => wants(endpoint, event)),
    ...management,
    ...history,
    start: () => worker.start(),
    stop: (timeoutMs = 5000) =>
      worker
        .stop(timeoutMs)
        .catch((error: unknown) => deps.log.error({ error: reasonOf(error) }, 'webhooks did not stop cleanly')),
  };
}
