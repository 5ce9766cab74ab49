import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { reasonOf } from '../../model/errors.ts';
import type { Instance } from '../../model/instance.ts';
import type { Message } from '../../model/message.ts';
import { type Clock, withTimeout } from '../../model/time.ts';
import type { WebhookDialect } from '../../model/webhook.ts';
import type { Outbound } from '../../outbound.ts';
import type { Database } from '../../store/database.ts';
import type { DeliveryStore } from '../../store/deliveries.ts';
import type { StoredEndpoint, WebhookStore } from '../../store/webhooks.ts';
import type { Secrets } from '../secrets.ts';
import { createAlarm } from './alarm.ts';
import { createClockJumps } from './clock-jumps.ts';
import { createDeliverer, type DeliveryEnd } from './delivery.ts';
import { createFinisher, type Finished } from './finisher.ts';
import { forget, isIdle, type Job, type Lane, takeJob } from './lane.ts';
import { createLoader, noteChange, prefetch } from './loader.ts';
import type { WebhookComposer } from './request.ts';
import { reportTry } from './report.ts';
import { breakerState, type WebhookPolicy } from './schedule.ts';
import { settle } from './settle.ts';

/** What the worker stands on. */
interface WorkerDeps {
  database: Database;
  endpoints: WebhookStore;
  deliveries: DeliveryStore;
  outbound: Pick<Outbound, 'post'>;
  composer: WebhookComposer;
  dialects: () => Readonly<Record<string, WebhookDialect>>;
  messages: { byIds(ids: string[]): Promise<Message[]> };
  instances: { byIds(ids: string[]): Promise<Instance[]> };
  secrets: Pick<Secrets, 'open'>;
  policy: WebhookPolicy;
  timeoutMs: number;
  userAgent: string;
  clock: Clock;
  newId: () => string;
  /** A number in 0 … 1. */
  random: () => number;
  log: Logger;
  /** Called in the transaction that disables an endpoint. */
  onDisabled(trx: Knex.Transaction, endpoint: StoredEndpoint, reason: string): Promise<void>;
  /** Called with results once they are written. */
  watch?(finished: readonly Finished[]): void;
}

/** The sender of deliveries: the database is the queue, memory holds a few of each endpoint. */
interface WebhookWorker {
  /** Begins with whatever is left from before. */
  start(): void;
  /** Lets requests under way end within `timeoutMs` and writes their results; what did not end is sent again after the next start. */
  stop(timeoutMs: number): Promise<void>;
  /** Says that something was written for these endpoints. */
  wake(endpointIds: Iterable<string>): void;
  /** Says that an endpoint was changed or removed: what is in memory of it is let go. */
  refresh(endpointId: string): void;
}

const endpointConcurrency = 8;
const globalConcurrency = 64;
/** Below this many loaded deliveries the next ones are loaded. */
const lowWater = 48;
const maxBodyBytes = 32 * 1024 * 1024;
const loadRetryMs = 1000;

/** Returns the worker. */
export function createWebhookWorker(deps: WorkerDeps): WebhookWorker {
  const { endpoints, clock, log, policy } = deps;
  const lanes = new Map<string, Lane>();
  /** Lanes that may have something to send, in turn. */
  const active = new Set<Lane>();
  /** Lanes that would send if others left them room. */
  const starved = new Set<Lane>();
  const underWay = new Set<Promise<void>>();
  const deliver = createDeliverer({ ...deps, instantRetryMs: policy.instantRetryMs });
  const finisher = createFinisher({ ...deps, onWritten });
  const alarm = createAlarm({ clock, longestMs: policy.scanMs, ring: onTimer });
  const clockJumps = createClockJumps(deps);
  const loader = createLoader({ ...deps, writeResults: finisher.flush });
  let running = false;
  let stopped = false;
  let inFlight = 0;
  let bodyBytes = 0;
  let scanner: NodeJS.Timeout | null = null;

  // ---- who is next ----

  /** One request for each lane in turn, until no lane has one or all places are taken. */
  function pump(): void {
    for (const lane of active) {
      if (!running || inFlight >= globalConcurrency || finisher.isFull()) return;
      active.delete(lane);
      const job = nextJob(lane);
      if (job) {
        active.add(lane);
        begin(lane, job);
      }
      // With places left and only busy chats in memory, others are looked for.
      const wanted = !job && lane.inFlight < laneLimit(lane) ? prefetch : lowWater;
      if (lane.more && !lane.loading && lane.ready.length < wanted) track(load(lane));
      else if (!job && isIdle(lane)) letGo(lane);
    }
  }

  function letGo(lane: Lane): void {
    starved.delete(lane);
    // By now the endpoint may have another lane.
    if (lanes.get(lane.endpoint.id) === lane) lanes.delete(lane.endpoint.id);
  }

  function nextJob(lane: Lane): Job | null {
    const limit = laneLimit(lane);
    if (lane.inFlight >= limit) {
      if (limit > 0 && limit < endpointConcurrency) starved.add(lane);
      return null;
    }
    const job = takeJob(lane, bodyBytes === 0 ? Infinity : maxBodyBytes - bodyBytes);
    if (job !== 'too large') return job;
    starved.add(lane);
    return null;
  }

  /** The fuller the house, the fewer places one lane may take: hanging endpoints never fill all of them. */
  function laneLimit(lane: Lane): number {
    const state = breakerState(lane.health, clock.now(), policy);
    if (state === 'open') return 0;
    if (state === 'half-open') return 1;
    if (lane.endpoint.isOrdered) return 1;
    return Math.min(endpointConcurrency, Math.max(1, Math.floor((globalConcurrency - inFlight) / 2)));
  }

  function begin(lane: Lane, job: Job): void {
    inFlight += 1;
    bodyBytes += job.costBytes;
    const work = deliver({ endpoint: lane.endpoint, keys: lane.keys, job });
    track(work.then((end) => finish(lane, job, end)).finally(() => release(lane, job)));
  }

  function release(lane: Lane, job: Job): void {
    inFlight -= 1;
    bodyBytes -= job.costBytes;
    lane.inFlight -= 1;
    lane.busy.delete(job.delivery.event.orderKey);
    // A retry that ended lets its chat go on.
    if (lane.rest || job.delivery.attempt > 0) lane.more = true;
    for (const other of [lane, ...starved]) active.add(other);
    starved.clear();
    pump();
  }

  function finish(lane: Lane, job: Job, end: DeliveryEnd): void {
    // The process ends and has let go of the database: what is not written is sent again.
    if (stopped) return;
    const { finished, change, wakeAt } = settle({ lane, job, end, policy, now: clock.now(), random: deps.random() });
    finisher.add(finished);
    if (wakeAt !== null) wakeLaneAt(lane, wakeAt);
    reportTry(log, { lane, job, end, finished, change });
  }

  function onWritten(batch: readonly Finished[]): void {
    deps.watch?.(batch);
    for (const { endpoint, result } of batch) {
      const lane = lanes.get(endpoint.id);
      if (!lane) continue;
      forget(lane, result.id);
      if (lane.rest) lane.more = true;
      active.add(lane);
    }
    pump();
  }

  async function load(lane: Lane): Promise<void> {
    lane.loading = true;
    lane.more = false;
    try {
      const wakeAt = await loader.fill(lane);
      if (wakeAt !== null) wakeLaneAt(lane, wakeAt);
    } catch (error) {
      if (!running) return;
      log.error(
        { endpoint: lane.endpoint.id, error: reasonOf(error) },
        'webhook deliveries could not be loaded: trying again',
      );
      lane.writeFirst = lane.retries = true;
      wakeLaneAt(lane, clock.now() + loadRetryMs);
    } finally {
      lane.loading = false;
      for (const id of lane.writtenDuringLoad.splice(0)) lane.known.delete(id);
      active.add(lane);
      pump();
    }
  }

  function track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => log.error({ error: reasonOf(error) }, 'webhook delivery broke'))
      .finally(() => underWay.delete(tracked));
    underWay.add(tracked);
  }

  // ---- waking ----

  function wakeLaneAt(lane: Lane, at: number): void {
    lane.wakeAt = Math.min(lane.wakeAt ?? Infinity, at);
    alarm.setFor(lane.wakeAt);
  }

  function onTimer(): void {
    const now = clock.now();
    for (const lane of lanes.values()) {
      if (lane.wakeAt === null) continue;
      if (lane.wakeAt > now) alarm.setFor(lane.wakeAt);
      else rouse(lane);
    }
    pump();
  }

  /** Makes the lane look for everything that may be due. */
  function rouse(lane: Lane): void {
    lane.wakeAt = null;
    lane.more = lane.retries = true;
    active.add(lane);
  }

  async function wakeLane(endpointId: string): Promise<void> {
    if (!lanes.has(endpointId)) {
      const made = await loader.open(endpointId);
      if (!made || !running) return;
      if (!lanes.has(endpointId)) lanes.set(endpointId, made);
    }
    const lane = lanes.get(endpointId) as Lane;
    lane.more = true;
    active.add(lane);
    pump();
  }

  function wake(endpointIds: Iterable<string>): void {
    if (!running) return;
    for (const id of endpointIds) {
      const waking = wakeLane(id).catch((error: unknown) =>
        log.error({ endpoint: id, error: reasonOf(error) }, 'webhook endpoint could not be woken'),
      );
      track(waking);
    }
  }

  /** Endpoints may be changed, and deliveries written, by another process: nobody announces that, it is found by looking. */
  async function scan(): Promise<void> {
    for (const endpoint of await endpoints.enabled()) {
      const lane = lanes.get(endpoint.id);
      if (lane && endpoint.url !== lane.endpoint.url) refresh(endpoint.id);
      else if (lane) rouse(lane);
    }
    const waiting = await endpoints.withWork();
    await clockJumps.mind(waiting);
    wake(waiting.map(({ id }) => id));
    pump();
  }

  function startScan(): void {
    scan().catch(
      (error: unknown) => running && log.error({ error: reasonOf(error) }, 'waiting webhooks could not be looked for'),
    );
  }

  function refresh(endpointId: string): void {
    const lane = lanes.get(endpointId);
    if (lane) noteChange(lane);
    wake([endpointId]);
  }

  return {
    start() {
      running = true;
      scanner = setInterval(startScan, policy.scanMs);
      startScan();
    },

    async stop(timeoutMs) {
      running = false;
      alarm.close();
      if (scanner) clearInterval(scanner);
      await withTimeout(Promise.all(underWay), timeoutMs, 'requests still under way').catch(() => undefined);
      stopped = true;
      await finisher.close();
      lanes.clear();
      active.clear();
    },

    wake,
    refresh,
  };
}
