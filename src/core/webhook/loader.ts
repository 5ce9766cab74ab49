import type { Instance } from '../../model/instance.ts';
import type { Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { Delivery, DeliveryStore, WaitingDelivery } from '../../store/deliveries.ts';
import type { StoredEndpoint, WebhookStore } from '../../store/webhooks.ts';
import type { Secrets } from '../secrets.ts';
import {
  addJobs,
  createLane,
  dropReady,
  type EndpointKeys,
  fullChats,
  healthOf,
  type Job,
  type Lane,
  selectNew,
} from './lane.ts';
import type { WebhookComposer } from './request.ts';
import { breakerState, type WebhookPolicy } from './schedule.ts';

/** What comes into memory from the database: a few deliveries of an endpoint at a time. */
interface WebhookLoader {
  /** Returns a lane for the endpoint, null when it is disabled or gone. */
  open(endpointId: string): Promise<Lane | null>;
  /** Fills the lane up; returns when it must be looked at again (Unix ms), null when nothing is to be waited for. */
  fill(lane: Lane): Promise<number | null>;
  /** Takes over an endpoint as its row is now. */
  adopt(lane: Lane, endpoint: StoredEndpoint): void;
}

interface LoaderDeps {
  endpoints: WebhookStore;
  deliveries: DeliveryStore;
  messages: { byIds(ids: string[]): Promise<Message[]> };
  instances: { byIds(ids: string[]): Promise<Instance[]> };
  composer: Pick<WebhookComposer, 'costBytes'>;
  secrets: Pick<Secrets, 'open'>;
  policy: WebhookPolicy;
  clock: Pick<Clock, 'now'>;
  /** Writes the results that the next load depends on. */
  writeResults(): Promise<void>;
}

/** Deliveries of one endpoint in memory at most. */
export const prefetch = 128;
/** An endpoint with so many chats waiting behind a failure gets nothing new until some of them are resolved. */
const maxHeld = 500;

/** Returns the loader. */
export function createLoader(deps: LoaderDeps): WebhookLoader {
  const { endpoints, deliveries, clock, policy } = deps;

  async function open(endpointId: string): Promise<Lane | null> {
    const endpoint = await endpoints.byId(endpointId);
    return endpoint?.enabled ? createLane(endpoint, openKeys(deps.secrets, endpoint)) : null;
  }

  function adopt(lane: Lane, endpoint: StoredEndpoint): void {
    // With another address, past failures mean nothing.
    if (lane.stale || endpoint.url !== lane.endpoint.url) lane.health = healthOf(endpoint);
    lane.stale = false;
    if (!sameKeys(endpoint, lane.endpoint)) lane.keys = openKeys(deps.secrets, endpoint);
    lane.endpoint = endpoint;
  }

  async function fill(lane: Lane): Promise<number | null> {
    for (;;) {
      const { changes } = lane;
      const wakeAt = await fillOnce(lane);
      if (lane.changes === changes) return wakeAt;
      // What was read before the endpoint was set anew would go out by its old secret, or to its old address.
      letGo(lane);
    }
  }

  async function fillOnce(lane: Lane): Promise<number | null> {
    if (lane.writeFirst) await settleResults(lane);
    const endpoint = await endpoints.byId(lane.endpoint.id);
    if (!endpoint?.enabled) {
      // The lane ends when its requests have.
      dropReady(lane);
      lane.rest = false;
      lane.wakeAt = null;
      return null;
    }
    adopt(lane, endpoint);
    return breakerState(lane.health, clock.now(), policy) === 'open' ? lane.health.openUntil : refill(lane);
  }

  /** After this the database knows of every failure so far; those of the meantime stay in `held`. */
  async function settleResults(lane: Lane): Promise<void> {
    const held = [...lane.held];
    lane.writeFirst = false;
    await deps.writeResults();
    for (const chat of held) lane.held.delete(chat);
    for (const id of lane.writtenDuringLoad.splice(0)) lane.known.delete(id);
  }

  async function refill(lane: Lane): Promise<number | null> {
    // What is known may still be in the database as it was, and is passed over.
    const limit = Math.max(prefetch - lane.ready.length, 1) + lane.known.size;
    const { due, held, nextDueAt } = await readRetries(lane, limit);
    const full = fullChats(lane);
    const isLine = lane.endpoint.isOrdered;
    // Retries stand before what came later, so all that are due are loaded first; in a single line everything waits for each.
    const onlyDue = due.length >= limit || held.length >= maxHeld || (isLine && held.length + full.length > 0);
    const fresh = onlyDue
      ? []
      : await deliveries.fresh({ endpointId: lane.endpoint.id, notOf: [...held, ...full], limit });

    const found = [...due, ...fresh];
    const { chosen, cut } = selectNew(lane, isLine ? found.map((one) => ({ ...one, orderKey: lineKey })) : found);
    const loaded = await deliveries.withEvents(chosen);
    const jobs = await withFacts(isLine ? loaded.map(inLine) : loaded);
    // A chat may have failed, and the breaker opened, while the facts were read.
    const good =
      breakerState(lane.health, clock.now(), policy) === 'open'
        ? []
        : jobs.filter((job) => !lane.held.has(job.delivery.event.orderKey));
    addJobs(lane, good);
    lane.rest = onlyDue || cut || full.length > 0 || fresh.length >= limit || good.length < jobs.length;
    lane.more ||= lane.rest && good.length > 0;
    return nextDueAt;
  }

  async function readRetries(
    lane: Lane,
    limit: number,
  ): Promise<{ due: WaitingDelivery[]; held: string[]; nextDueAt: number | null }> {
    if (!lane.retries) return { due: [], held: [], nextDueAt: null };
    const [endpointId, now] = [lane.endpoint.id, clock.now()];
    // A failure of the meantime is not in the database yet: the next load, which writes it first, asks again.
    lane.retries = lane.writeFirst;
    const due = await deliveries.dueRetries({ endpointId, now, limit });
    const held = await deliveries.heldKeys({ endpointId, now, belowAttempt: policy.holdAttempts, limit: maxHeld });
    const nextDueAt = await deliveries.nextDueAt(endpointId, now);
    lane.retries ||= due.length > 0 || nextDueAt !== null;
    return { due, held, nextDueAt };
  }

  /** One query for all messages of a load, at the same time one for the instances. */
  async function withFacts(chosen: readonly Delivery[]): Promise<Job[]> {
    const [messages, instances] = await Promise.all([
      readAll(deps.messages.byIds, chosen.map(messageIdOf)),
      readAll(deps.instances.byIds, chosen.map(instanceIdOf)),
    ]);
    return chosen.map((delivery) => {
      const message = messages.get(messageIdOf(delivery) ?? '');
      return {
        delivery,
        message,
        instance: instances.get(instanceIdOf(delivery) ?? ''),
        costBytes: deps.composer.costBytes(message),
      };
    });
  }

  return { open, fill, adopt };
}

/** The one chat of an ordered endpoint. */
const lineKey = '';

function inLine(delivery: Delivery): Delivery {
  return { ...delivery, event: { ...delivery.event, orderKey: lineKey } };
}

/** Says of a lane that its endpoint was set anew: what is loaded of it is let go, and what is being read counts no more. */
export function noteChange(lane: Lane): void {
  lane.changes += 1;
  letGo(lane);
}

function letGo(lane: Lane): void {
  dropReady(lane);
  lane.stale = lane.retries = true;
}

/** Returns an endpoint's secrets and headers in the clear. */
export function openKeys({ open }: Pick<Secrets, 'open'>, endpoint: StoredEndpoint): EndpointKeys {
  const { sealedSecret, oldSecrets, sealedHeaders } = endpoint;
  return {
    secret: sealedSecret === null ? null : open(sealedSecret),
    oldSecrets: oldSecrets.map(({ sealed, until }) => ({ secret: open(sealed), until })),
    headers: sealedHeaders === null ? {} : (JSON.parse(open(sealedHeaders)) as Record<string, string>),
  };
}

function sameKeys(a: StoredEndpoint, b: StoredEndpoint): boolean {
  return (
    a.sealedSecret === b.sealedSecret &&
    a.sealedHeaders === b.sealedHeaders &&
    a.oldSecrets.map(({ sealed }) => sealed).join() === b.oldSecrets.map(({ sealed }) => sealed).join()
  );
}

function messageIdOf({ event }: Delivery): string | null {
  return 'messageId' in event.payload ? event.payload.messageId : null;
}

function instanceIdOf({ event }: Delivery): string | null {
  return event.instanceId;
}

async function readAll<T extends { id: string }>(
  read: (ids: string[]) => Promise<T[]>,
  ids: readonly (string | null)[],
): Promise<Map<string, T>> {
  const unique = [...new Set(ids.filter((id) => id !== null))];
  const rows = unique.length === 0 ? [] : await read(unique);
  return new Map(rows.map((row) => [row.id, row]));
}
