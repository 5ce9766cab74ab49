import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { GatewayError, reasonOf } from '../model/errors.ts';
import { type EventType, type GatewayEvent, isEventType, type NewEvent } from '../model/events.ts';
import type { Instance } from '../model/instance.ts';
import type { Message } from '../model/message.ts';
import type { Clock } from '../model/time.ts';
import type { Endpoint, WebhookDialect } from '../model/webhook.ts';
import type { Outbound } from '../outbound.ts';
import type { Database } from '../store/database.ts';
import { createDeliveryStore } from '../store/deliveries.ts';
import { createEventStore } from '../store/events.ts';
import { createWebhookStore, type EndpointScope, type StoredEndpoint } from '../store/webhooks.ts';
import type { Announcer } from './announcer.ts';
import type { Media } from './media.ts';
import type { Secrets } from './secrets.ts';
import { createComposer } from './webhook-request.ts';
import { defaultPolicy, healthy, type WebhookPolicy } from './webhook-schedule.ts';
import { createWebhookWorker } from './webhook-worker.ts';

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
  policy?: Partial<WebhookPolicy>;
}

/** What an owner says of an endpoint. */
export interface EndpointInput {
  /** Null or empty removes the endpoint. */
  url: string | null;
  /** Absent keeps the secret, null removes it. */
  secret?: string | null;
  /** Absent keeps the events, at first inbound messages. */
  events?: readonly EventType[];
  /** One instance's events only. */
  instanceId?: string | null;
  dialect: string;
}

/** Events on their way to the receivers that want them. */
export interface Webhooks extends Announcer {
  /** Sets, changes or removes the endpoint of an account (or instance) and dialect; setting it again also enables it again. @throws GatewayError invalid_input | blocked_address | fetch_failed */
  set(accountId: string, input: EndpointInput): Promise<Endpoint | null>;
  get(accountId: string, input: { instanceId?: string | null; dialect: string }): Promise<Endpoint | null>;
  /** Begins to deliver, with what is left from before. */
  start(): void;
  /** Lets requests under way end within `timeoutMs` (5 s); what did not end is delivered again after the next start, with the same id. */
  stop(timeoutMs?: number): Promise<void>;
}

/** Another process (the CLI) may change endpoints: the list is read again after this time. */
const cacheMs = 5000;
const defaultEvents: readonly EventType[] = ['message.received'];

/** Returns the webhooks. */
export function createWebhooks(deps: WebhookDeps): Webhooks {
  const { clock, newId } = deps;
  const endpoints = createWebhookStore(deps.database);
  const deliveries = createDeliveryStore(deps.database);
  const events = createEventStore();
  const worker = createWebhookWorker({
    ...deps,
    endpoints,
    deliveries,
    composer: createComposer(deps),
    policy: { ...defaultPolicy, ...deps.policy },
  });
  let cache: { list: StoredEndpoint[]; readAt: number } | null = null;
  let changedAt = -Infinity;

  /** Read through the caller's transaction: on SQLite there is no second connection. */
  async function enabledEndpoints(trx: Knex.Transaction): Promise<StoredEndpoint[]> {
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
    await deliveries.insert(trx, wanted);
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

  function wants(endpoint: StoredEndpoint, event: GatewayEvent): boolean {
    if (endpoint.accountId !== event.accountId || !endpoint.events.includes(event.type)) return false;
    if (endpoint.instanceId !== null && endpoint.instanceId !== event.instanceId) return false;
    return deps.dialects()[endpoint.dialect]?.render[event.type] !== undefined;
  }

  async function set(accountId: string, input: EndpointInput): Promise<Endpoint | null> {
    const scope: EndpointScope = { accountId, instanceId: input.instanceId ?? null, dialect: input.dialect };
    const url = input.url?.trim() ?? '';
    if (url !== '') await deps.outbound.assertAllowed(url);
    const patch = {
      url,
      ...checkedEvents(input.events),
      ...sealed(input.secret),
      enabled: true,
      disabledReason: null,
      ...healthy,
    };

    const known = await endpoints.byScope(scope);
    if (url === '') {
      if (known) await endpoints.remove(known.id);
    } else if (known) await endpoints.update(known.id, patch);
    else
      await endpoints.insert({
        events: [...defaultEvents],
        sealedSecret: null,
        hasSecret: false,
        ...patch,
        ...scope,
        id: newId(),
        createdAt: clock.now(),
      });
    changed();
    if (known) worker.refresh(known.id);
    return get(accountId, input);
  }

  function sealed(secret: string | null | undefined): { sealedSecret?: string | null } {
    if (secret === undefined) return {};
    if (secret === null || secret === '') return { sealedSecret: null };
    if (!/^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/.test(secret))
      throw new GatewayError('invalid_input', 'The secret must be at most 255 printable ASCII characters', {
        details: { secret: 'not printable ASCII' },
      });
    return { sealedSecret: deps.secrets.seal(secret) };
  }

  async function get(
    accountId: string,
    { instanceId, dialect }: { instanceId?: string | null; dialect: string },
  ): Promise<Endpoint | null> {
    const endpoint = await endpoints.byScope({ accountId, instanceId: instanceId ?? null, dialect });
    if (!endpoint) return null;
    const { sealedSecret: _, ...shown } = endpoint;
    return shown;
  }

  return {
    enqueue,
    set,
    get,
    start: () => worker.start(),
    stop: (timeoutMs = 5000) =>
      worker
        .stop(timeoutMs)
        .catch((error: unknown) => deps.log.error({ error: reasonOf(error) }, 'webhooks did not stop cleanly')),
  };
}

function checkedEvents(events: readonly string[] | undefined): { events?: EventType[] } {
  if (events === undefined) return {};
  const unknown = events.filter((event) => !isEventType(event));
  if (unknown.length > 0)
    throw new GatewayError('invalid_input', `There is no event called ${unknown.join(', ')}`, {
      details: { events: `unknown: ${unknown.join(', ')}` },
    });
  return { events: [...new Set(events.filter(isEventType))] };
}
