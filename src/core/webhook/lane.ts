import type { Instance } from '../../model/instance.ts';
import type { Message } from '../../model/message.ts';
import type { Delivery, WaitingDelivery } from '../../store/deliveries.ts';
import type { EndpointHealth, StoredEndpoint } from '../../store/webhooks.ts';

/** A delivery in memory with what its body is made of. */
export interface Job {
  delivery: Delivery;
  message: Message | undefined;
  instance: Instance | undefined;
  /** What its body takes of the memory for bodies. */
  costBytes: number;
}

/** What of an endpoint is stored encrypted, opened. */
export interface EndpointKeys {
  secret: string | null;
  /** Replaced secrets, which still sign until then (Unix ms). */
  oldSecrets: { secret: string; until: number }[];
  headers: Record<string, string>;
}

/** One endpoint's queue while something waits for it: a few deliveries in memory, the rest in the database. */
export interface Lane {
  endpoint: StoredEndpoint;
  keys: EndpointKeys;
  health: EndpointHealth;
  /** Loaded and not begun, oldest first. */
  ready: Job[];
  /** Chats that have a request under way. */
  busy: Set<string>;
  /** Chats whose delivery has just failed, until the database is asked again: their later ones wait. */
  held: Set<string>;
  inFlight: number;
  /** Ids that must not be loaded again: ready, under way, or ended and not written yet. */
  known: Set<string>;
  /** Ids that were written while a load ran, which may have read them before. */
  writtenDuringLoad: string[];
  loading: boolean;
  /** True when asking the database may bring something. */
  more: boolean;
  /** True when the database holds more than was loaded. */
  rest: boolean;
  /** True when retries may be waiting in the database. */
  retries: boolean;
  /** True when results must be written before the next load, which depends on them. */
  writeFirst: boolean;
  /** True when the endpoint was set anew: its row is right, whatever happened before. */
  stale: boolean;
  /** How often it was set anew. */
  changes: number;
  /** Unix ms at which a retry is due or the breaker lets a probe through. */
  wakeAt: number | null;
}

/** Deliveries of one chat in memory at most: a busy chat leaves room for the others. */
const readyPerChat = 32;
/** An ordered endpoint is one single line. */
const readyOrdered = 96;
const mostOf = (lane: Lane): number => (lane.endpoint.isOrdered ? readyOrdered : readyPerChat);

/** Returns an empty lane. */
export function createLane(endpoint: StoredEndpoint, keys: EndpointKeys): Lane {
  return {
    endpoint,
    keys,
    health: healthOf(endpoint),
    ready: [],
    busy: new Set(),
    held: new Set(),
    inFlight: 0,
    known: new Set(),
    writtenDuringLoad: [],
    loading: false,
    more: true,
    rest: false,
    retries: true,
    writeFirst: false,
    stale: false,
    changes: 0,
    wakeAt: null,
  };
}

/** Returns the breaker of an endpoint's row. */
export function healthOf({ failStreak, firstFailureAt, exhausted, openUntil }: EndpointHealth): EndpointHealth {
  return { failStreak, firstFailureAt, exhausted, openUntil };
}

/** Takes the oldest delivery whose chat has nothing under way out of the lane. */
export function takeJob(lane: Lane, maxCostBytes: number): Job | 'too large' | null {
  const index = lane.ready.findIndex((job) => !lane.busy.has(job.delivery.event.orderKey));
  const job = lane.ready[index];
  if (!job) return null;
  if (job.costBytes > maxCostBytes) return 'too large';
  lane.ready.splice(index, 1);
  lane.busy.add(job.delivery.event.orderKey);
  lane.inFlight += 1;
  return job;
}

/** Returns which of the loaded deliveries are new to the lane; `cut` tells that some were left out. */
export function selectNew(lane: Lane, loaded: readonly WaitingDelivery[]): { chosen: WaitingDelivery[]; cut: boolean } {
  const counts = countByChat(lane);
  const chosen: WaitingDelivery[] = [];
  let cut = false;
  for (const delivery of loaded) {
    const chat = delivery.orderKey;
    if (lane.known.has(delivery.id) || lane.held.has(chat)) continue;
    const count = counts.get(chat) ?? 0;
    if (count >= mostOf(lane)) {
      cut = true;
      continue;
    }
    counts.set(chat, count + 1);
    chosen.push(delivery);
  }
  return { chosen, cut };
}

/** Puts loaded deliveries in their place: a retry stands before what came later. */
export function addJobs(lane: Lane, jobs: readonly Job[]): void {
  for (const { delivery } of jobs) lane.known.add(delivery.id);
  lane.ready = [...lane.ready, ...jobs].toSorted((a, b) => (a.delivery.id < b.delivery.id ? -1 : 1));
}

/** Returns the chats that have as many deliveries in memory as they may. */
export function fullChats(lane: Lane): string[] {
  return [...countByChat(lane)].filter(([, count]) => count >= mostOf(lane)).map(([chat]) => chat);
}

/** Lets go of what is loaded, of one chat or of all: the database still has it. */
export function dropReady(lane: Lane, chat?: string): void {
  const dropped = lane.ready.filter((job) => chat === undefined || job.delivery.event.orderKey === chat);
  for (const { delivery } of dropped) lane.known.delete(delivery.id);
  lane.ready = lane.ready.filter((job) => !dropped.includes(job));
  if (dropped.length > 0) lane.rest = true;
}

/** Forgets ids that are written; a load under way may have read them before, so it ends first. */
export function forget(lane: Lane, id: string): void {
  if (lane.loading) lane.writtenDuringLoad.push(id);
  else lane.known.delete(id);
}

/** Tells whether nothing of the lane is in memory or expected: it can be let go. */
export function isIdle(lane: Lane): boolean {
  return !lane.loading && !lane.more && lane.inFlight === 0 && lane.known.size === 0 && lane.wakeAt === null;
}

function countByChat(lane: Lane): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { delivery } of lane.ready)
    counts.set(delivery.event.orderKey, (counts.get(delivery.event.orderKey) ?? 0) + 1);
  return counts;
}
