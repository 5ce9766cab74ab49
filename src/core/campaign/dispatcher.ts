import type { Logger } from 'pino';
import type { Campaign, CampaignHold } from '../../model/campaign.ts';
import type { OutgoingContent } from '../../model/content.ts';
import { reasonOf } from '../../model/errors.ts';
import type { Instance } from '../../model/instance.ts';
import type { Clock } from '../../model/time.ts';
import type { CampaignStore } from '../../store/campaigns.ts';
import type { Database } from '../../store/database.ts';
import type { InstanceStore } from '../../store/instances.ts';
import type { NumberStore } from '../../store/numbers.ts';
import type { Outbox } from '../outbox.ts';
import { type Claim, type Claims, pacingOf } from './claim.ts';
import type { Openings } from './openings.ts';
import { gapMs } from './pacing.ts';
import type { Transitions } from './transitions.ts';

/** The sender of bulk messages: one at a time for each number, at the number's pace, behind everything that people wait for. */
export interface Dispatcher {
  /** The instance can send. */
  ready(instanceId: string): Promise<void>;
  /** The instance cannot send for now: its campaigns are held. */
  gone(instanceId: string): void;
  /** Looks at the instance's campaigns now: something has changed. */
  nudge(instanceId: string): void;
  /** Does what is to be done for an instance now; returns when to look again, null: when something changes. */
  step(instanceId: string): Promise<number | null>;
  /** Looks at every instance whose time has come. */
  tick(): void;
  isOnline(instanceId: string): boolean;
  /** True while the instance's campaigns cannot be read or written. */
  isBroken(instanceId: string): boolean;
  /** Sends a minute over the last ten minutes. */
  ratePerMinute(campaignId: string): number;
  close(): Promise<void>;
}

interface DispatcherDeps {
  database: Database;
  campaigns: CampaignStore;
  numbers: NumberStore;
  instances: InstanceStore;
  claims: Claims;
  transitions: Transitions;
  openings: Openings;
  /** Tells of a campaign that is not known to be made. */
  isMaking(campaignId: string): boolean;
  outbox: Pick<Outbox, 'admit' | 'added' | 'released'>;
  /** Says whether the instance's page can send this content. */
  canSend(instanceId: string, type: OutgoingContent['type']): boolean;
  clock: Clock;
  random: () => number;
  log: Logger;
}

/** One number's sender. */
interface Lane {
  online: boolean;
  broken: boolean;
  stepping: Promise<void> | null;
  /** Something changed while a step was under way. */
  again: boolean;
  timer: NodeJS.Timeout | null;
  nextAt: number | null;
  /** The campaign served last: the next one in turn comes first. */
  lastServed: string | null;
}

/** What one campaign has to say to "send the next". */
type Served =
  | { result: 'sent'; until: number }
  | { result: 'later'; until: number }
  | { result: 'held'; hold: CampaignHold; until: number }
  | { result: 'nothing' };

const busyPollMs = 5_000;
const featurePollMs = 60_000;
const crowdedPollMs = 250;
const brokenPauseMs = 5_000;
const longestTimerMs = 60_000;
const rateMs = 600_000;

/** Returns the dispatcher over all instances. */
export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { database, campaigns, numbers, instances, claims, transitions, openings, outbox, clock, log } = deps;
  const lanes = new Map<string, Lane>();
  const sentAt = new Map<string, number[]>();
  const life = { closed: false };

  function laneOf(instanceId: string): Lane {
    let lane = lanes.get(instanceId);
    if (!lane) {
      lane = {
        online: false,
        broken: false,
        stepping: null,
        again: false,
        timer: null,
        nextAt: null,
        lastServed: null,
      };
      lanes.set(instanceId, lane);
    }
    return lane;
  }

  // ---- one pump an instance ----

  function nudge(instanceId: string): void {
    const lane = laneOf(instanceId);
    if (life.closed) return;
    if (lane.stepping) {
      lane.again = true;
      return;
    }
    if (lane.timer) clearTimeout(lane.timer);
    lane.timer = null;
    lane.stepping = run(instanceId, lane);
  }

  async function run(instanceId: string, lane: Lane): Promise<void> {
    do {
      lane.again = false;
      try {
        lane.nextAt = await step(instanceId);
        lane.broken = false;
      } catch (error) {
        lane.broken = true;
        lane.nextAt = clock.now() + brokenPauseMs;
        log.error({ instance: instanceId, error: reasonOf(error) }, 'the next bulk message could not be taken');
      }
    } while (!life.closed && (lane.again || (lane.nextAt !== null && lane.nextAt <= clock.now())));
    // In the same turn in which nothing was to be done again: who nudges now is heard.
    lane.stepping = null;
    if (life.closed || lane.nextAt === null) return;
    const delayMs = Math.min(Math.max(lane.nextAt - clock.now(), 1), longestTimerMs);
    lane.timer = setTimeout(() => nudge(instanceId), delayMs);
  }

  async function step(instanceId: string): Promise<number | null> {
    const lane = laneOf(instanceId);
    const found = await campaigns.ofInstance(instanceId, ['running']);
    const running = await withoutDone(found.filter(({ id }) => !deps.isMaking(id)));
    if (running.length === 0) return null;
    const instance = await instances.byId(instanceId);
    if (!instance) {
      for (const { id } of running)
        await database.transaction((trx) => transitions.make(trx, 'fail', id, 'instance_deleted'));
      return null;
    }
    if (!lane.online) {
      for (const campaign of running) await hold(campaign, 'disconnected', null);
      return null;
    }
    let until: number | null = null;
    for (const campaign of inTurn(running, lane.lastServed)) {
      const served = await serve(campaign, instance);
      if (served.result === 'nothing') continue;
      await hold(
        campaign,
        served.result === 'held' ? served.hold : null,
        served.result === 'held' ? served.until : null,
      );
      if (served.result === 'held') {
        until = Math.min(until ?? served.until, served.until);
        continue;
      }
      if (served.result === 'sent') lane.lastServed = campaign.id;
      return served.until;
    }
    return until;
  }

  /** Ends what has nobody left, wherever its instance is. */
  async function withoutDone(running: Campaign[]): Promise<Campaign[]> {
    const left: Campaign[] = [];
    for (const campaign of running)
      if (campaign.counts.queued > 0 || campaign.counts.sending > 0) left.push(campaign);
      else await database.transaction((trx) => transitions.make(trx, 'complete', campaign.id));
    return left;
  }

  async function hold(campaign: Campaign, kind: CampaignHold | null, until: number | null): Promise<void> {
    if (campaign.hold !== kind || campaign.holdUntil !== until) await campaigns.setHold(campaign.id, kind, until);
  }

  // ---- one campaign ----

  async function serve(campaign: Campaign, instance: Instance): Promise<Served> {
    const now = clock.now();
    if (campaign.endAt !== null && campaign.endAt <= now) {
      await database.transaction((trx) => transitions.make(trx, 'cancel', campaign.id, 'end_time'));
      return { result: 'nothing' };
    }
    if (!deps.canSend(instance.id, campaign.media?.type ?? 'text'))
      return { result: 'held', hold: 'feature_missing', until: now + featurePollMs };
    let held: Extract<Served, { result: 'held' }> | null = null;
    for (const { lane, zone, head, tail } of await campaigns.lanes(campaign.id)) {
      if (head >= tail) continue;
      const hours = openings.at(campaign, zone, now);
      if (!hours.open) {
        if (!held || hours.opensAt < held.until) held = { result: 'held', hold: hours.hold, until: hours.opensAt };
        continue;
      }
      const served = await serveLane(campaign, instance, lane);
      if (served.result !== 'nothing') return served;
    }
    if (held) return held;
    await withoutDone([(await campaigns.byId(campaign.id)) ?? campaign].filter(({ state }) => state === 'running'));
    return { result: 'nothing' };
  }

  async function serveLane(campaign: Campaign, instance: Instance, lane: number): Promise<Served> {
    for (;;) {
      // People's messages first: the page takes a bulk message only when nothing else waits for it.
      if (outbox.admit(instance.id) === 'queued') return { result: 'later', until: clock.now() + crowdedPollMs };
      let claim: Claim | null = null;
      try {
        claim = await claims.claim({ campaign, instance, lane });
        // A power cut after the send must not forget that it was begun.
        if (claim.result === 'claimed') await database.flushed();
      } finally {
        if (claim?.result !== 'claimed') outbox.released(instance.id);
      }
      if (claim.result === 'claimed') {
        sent(campaign.id);
        outbox.added([claim.message]);
        return { result: 'sent', until: claim.nextSendAt };
      }
      if (claim.result === 'wait') return { result: 'later', until: claim.until };
      if (claim.result === 'busy') return { result: 'later', until: clock.now() + busyPollMs };
      if (claim.result === 'held') return claim;
      if (claim.result !== 'skipped') return { result: 'nothing' };
    }
  }

  function sent(campaignId: string): void {
    const times = sentAt.get(campaignId) ?? [];
    times.push(clock.now());
    while (times[0]! < clock.now() - rateMs) times.shift();
    sentAt.set(campaignId, times);
  }

  return {
    async ready(instanceId) {
      const lane = laneOf(instanceId);
      const now = clock.now();
      const [first] = await campaigns.ofInstance(instanceId, ['running']);
      await database.transaction(async (trx) => {
        const number = await numbers.lock(trx, instanceId);
        // One that was away begins with a pause, however long it has been away.
        const pauseMs = first ? gapMs(pacingOf(first, number), deps.random) : 0;
        await numbers.update(trx, instanceId, {
          nextSendAt: Math.max(number.nextSendAt, now + pauseMs),
          ...(number.pairedAt === null ? { pairedAt: now } : {}),
        });
      });
      lane.online = true;
      nudge(instanceId);
    },

    gone(instanceId) {
      laneOf(instanceId).online = false;
      nudge(instanceId);
    },

    nudge,
    step,

    tick() {
      const now = clock.now();
      for (const [instanceId, lane] of lanes) if (lane.nextAt !== null && lane.nextAt <= now) nudge(instanceId);
    },

    isOnline: (instanceId) => laneOf(instanceId).online,
    isBroken: (instanceId) => laneOf(instanceId).broken,

    ratePerMinute(campaignId) {
      const since = clock.now() - rateMs;
      const count = (sentAt.get(campaignId) ?? []).filter((at) => at >= since).length;
      return (count * 60_000) / rateMs;
    },

    async close() {
      life.closed = true;
      for (const lane of lanes.values()) if (lane.timer) clearTimeout(lane.timer);
      await Promise.all([...lanes.values()].map((lane) => lane.stepping));
    },
  };
}

/** Campaigns of one number take turns. */
function inTurn(running: Campaign[], lastServed: string | null): Campaign[] {
  const at = running.findIndex((campaign) => campaign.id === lastServed) + 1;
  return [...running.slice(at), ...running.slice(0, at)];
}
