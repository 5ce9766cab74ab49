import type { Logger } from 'pino';
import type { Campaign, CampaignHold } from '../../model/campaign.ts';
import { reasonOf } from '../../model/errors.ts';
import type { InstanceStore } from '../../store/instances.ts';
import type { NumberStore } from '../../store/numbers.ts';
import { pacingOf } from './claim.ts';
import { gapMs } from './pacing.ts';
import { createSendRate } from './rate.ts';
import { createServing, type ServingDeps } from './serving.ts';

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
  /** Returns what holds up all campaigns of the instance now; null when nothing does. */
  obstacle(instanceId: string): Extract<CampaignHold, 'storage' | 'disconnected' | 'catching_up'> | null;
  /** Sends a minute over the last ten minutes. */
  ratePerMinute(campaignId: string): number;
  close(): Promise<void>;
}

interface DispatcherDeps extends ServingDeps {
  numbers: NumberStore;
  instances: InstanceStore;
  /** Tells of a campaign that is not known to be made. */
  isMaking(campaignId: string): boolean;
  /** Says whether it is known what people wrote while the instance was away; who makes it known nudges. */
  hasHeard(instanceId: string): boolean;
  random: () => number;
  log: Logger;
}

/** One number's sender. */
interface Sender {
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

const brokenPauseMs = 5_000;
const longestTimerMs = 60_000;

/** Returns the dispatcher over all instances. */
export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { database, campaigns, numbers, instances, transitions, clock, log } = deps;
  const rate = createSendRate(clock);
  const serving = createServing({ ...deps, rate });
  const senders = new Map<string, Sender>();
  const life = { closed: false };

  function senderOf(instanceId: string): Sender {
    let sender = senders.get(instanceId);
    if (!sender) {
      sender = {
        online: false,
        broken: false,
        stepping: null,
        again: false,
        timer: null,
        nextAt: null,
        lastServed: null,
      };
      senders.set(instanceId, sender);
    }
    return sender;
  }

  function nudge(instanceId: string): void {
    const sender = senderOf(instanceId);
    if (life.closed) return;
    if (sender.stepping) {
      sender.again = true;
      return;
    }
    if (sender.timer) clearTimeout(sender.timer);
    sender.timer = null;
    sender.stepping = run(instanceId, sender);
  }

  async function run(instanceId: string, sender: Sender): Promise<void> {
    do {
      sender.again = false;
      try {
        sender.nextAt = await step(instanceId);
        sender.broken = false;
      } catch (error) {
        sender.broken = true;
        sender.nextAt = clock.now() + brokenPauseMs;
        log.error({ instance: instanceId, error: reasonOf(error) }, 'the next bulk message could not be taken');
      }
    } while (!life.closed && (sender.again || (sender.nextAt !== null && sender.nextAt <= clock.now())));
    // In the same turn in which nothing was to be done again: who nudges now is heard.
    sender.stepping = null;
    if (life.closed || sender.nextAt === null) return;
    const delayMs = Math.min(Math.max(sender.nextAt - clock.now(), 1), longestTimerMs);
    sender.timer = setTimeout(() => nudge(instanceId), delayMs);
  }

  async function step(instanceId: string): Promise<number | null> {
    const sender = senderOf(instanceId);
    const found = await campaigns.ofInstance(instanceId, ['running']);
    const running = await serving.withoutDone(found.filter(({ id }) => !deps.isMaking(id)));
    if (running.length === 0) return null;
    const instance = await instances.byId(instanceId);
    if (!instance) {
      for (const { id } of running)
        await database.transaction((trx) => transitions.make(trx, 'fail', id, 'instance_deleted'));
      return null;
    }
    const obstacle = sender.online ? unheard(instanceId) : 'disconnected';
    if (obstacle) {
      for (const campaign of running) await hold(campaign, obstacle, null);
      return null;
    }
    let until: number | null = null;
    for (const campaign of inTurn(running, sender.lastServed)) {
      const served = await serving.next(campaign, instance);
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
      if (served.result === 'sent') sender.lastServed = campaign.id;
      return served.until;
    }
    return until;
  }

  const unheard = (instanceId: string) => (deps.hasHeard(instanceId) ? null : 'catching_up');

  async function hold(campaign: Campaign, kind: CampaignHold | null, until: number | null): Promise<void> {
    if (campaign.hold !== kind || campaign.holdUntil !== until) await campaigns.setHold(campaign.id, kind, until);
  }

  return {
    async ready(instanceId) {
      const sender = senderOf(instanceId);
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
      sender.online = true;
      nudge(instanceId);
    },

    gone(instanceId) {
      senderOf(instanceId).online = false;
      nudge(instanceId);
    },

    nudge,
    step,

    tick() {
      const now = clock.now();
      for (const [instanceId, sender] of senders) if (sender.nextAt !== null && sender.nextAt <= now) nudge(instanceId);
    },

    isOnline: (instanceId) => senderOf(instanceId).online,
    obstacle(instanceId) {
      const { broken, online } = senderOf(instanceId);
      if (broken) return 'storage';
      return online ? unheard(instanceId) : 'disconnected';
    },

    ratePerMinute: rate.perMinute,

    async close() {
      life.closed = true;
      for (const sender of senders.values()) if (sender.timer) clearTimeout(sender.timer);
      await Promise.all([...senders.values()].map((sender) => sender.stepping));
    },
  };
}

/** Campaigns of one number take turns. */
function inTurn(running: Campaign[], lastServed: string | null): Campaign[] {
  const at = running.findIndex((campaign) => campaign.id === lastServed) + 1;
  return [...running.slice(at), ...running.slice(0, at)];
}
