import type { Knex } from 'knex';
import type { Logger } from 'pino';
import type { CampaignState, PauseReason } from '../../model/campaign.ts';
import { reasonOf } from '../../model/errors.ts';
import type { FailureReason, Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { CampaignStore } from '../../store/campaigns.ts';
import type { Database } from '../../store/database.ts';
import type { NumberStore } from '../../store/numbers.ts';
import type { Restrictions, WhatsAppClient } from '../../whatsapp/client.ts';
import type { SendFollower } from '../outbox.ts';
import { checkDays } from './claim.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Loader } from './loader.ts';
import type { Results } from './results.ts';
import type { Retries } from './retries.ts';
import type { MoveName, Transitions } from './transitions.ts';

/** What campaigns do by themselves: follow their messages, their instances and the clock. */
export interface CampaignLifecycle extends SendFollower {
  /** Takes up what a gateway that ended has left; called once at start, before any instance is ready. */
  start(): Promise<void>;
  /** WhatsApp has blocked the number: nothing is sent until a person resumes, and the warm-up begins anew. */
  blocked(instanceId: string): Promise<void>;
  /** Asks WhatsApp what it keeps the numbers from that send in bulk now. */
  inspect(): Promise<void>;
  /** Starts what is scheduled, ends what is over, and wakes numbers whose time has come. */
  tick(): Promise<void>;
  /** Removes campaigns that ended before the retention time, and keeps the files of those that have not. */
  prune(): Promise<void>;
}

interface LifecycleDeps {
  database: Database;
  campaigns: CampaignStore;
  numbers: NumberStore;
  transitions: Transitions;
  dispatcher: Dispatcher;
  results: Results;
  loader: Loader;
  retries: Retries;
  /** Keeps a file from being pruned. */
  touchMedia(mediaId: string, now: number): Promise<void>;
  /** Returns the client of a ready instance; throws otherwise. */
  client(instanceId: string): Pick<WhatsAppClient, 'restrictions'>;
  retentionDays: number;
  clock: Clock;
  log: Logger;
}

const dayMs = 86_400_000;
const unfinished: readonly CampaignState[] = ['draft', 'scheduled', 'running', 'paused'];
const keptNumberDays = 400;
const prunedAtOnce = 20;
/** Beyond this part of WhatsApp's own quota a person should look. */
const quotaShare = 0.9;
const unknownLockMs = dayMs;

/** Returns the life of campaigns. */
export function createCampaignLifecycle(deps: LifecycleDeps): CampaignLifecycle {
  const { database, campaigns, numbers, transitions, dispatcher, results, loader, retries, clock, log } = deps;

  async function moveAll(
    instanceId: string,
    states: readonly CampaignState[],
    name: MoveName,
    reason: PauseReason,
  ): Promise<void> {
    for (const { id } of await campaigns.ofInstance(instanceId, states)) {
      await database.transaction((trx) => transitions.make(trx, name, id, reason));
      if (name === 'fail') await retries.sweep(id);
    }
  }

  /** What cannot be asked is not known: it changes nothing. */
  async function inspectOne(instanceId: string): Promise<void> {
    try {
      const { timelock, newChats } = await deps.client(instanceId).restrictions();
      // First what stops: the end of a lock lets messages go at once.
      if (newChats && newChats.used >= newChats.total * quotaShare)
        await moveAll(instanceId, ['running'], 'pause', 'quota_used_up');
      if (timelock) await timelocked(instanceId, timelock);
    } catch (error) {
      log.warn({ instance: instanceId, error: reasonOf(error) }, 'restrictions could not be asked for');
    }
  }

  async function timelocked(instanceId: string, lock: NonNullable<Restrictions['timelock']>): Promise<void> {
    const now = clock.now();
    const until = await database.transaction(async (trx) => {
      const { restrictedUntil } = await numbers.lock(trx, instanceId);
      const wasActive = (restrictedUntil ?? 0) > now;
      // The end of a restriction is remembered: the warm-up counts from it.
      const told = lock.isActive ? (lock.endsAt ?? now + unknownLockMs) : wasActive ? now : restrictedUntil;
      if (told === restrictedUntil) return null;
      await numbers.update(trx, instanceId, { restrictedUntil: told });
      return told;
    });
    if (until === null) return;
    log.warn({ instance: instanceId, until }, 'WhatsApp restricts writing to new chats');
    dispatcher.nudge(instanceId);
  }

  return {
    start: () => loader.recover(),

    async changed(trx: Knex.Transaction, messages: readonly Message[]) {
      const own = messages.filter((message) => message.campaign);
      if (own.length === 0) return;
      await results.changed(trx, own);
      const instanceIds = new Set(own.map((message) => message.instanceId));
      const refused = new Set(
        own.filter(({ reason }) => reason === 'rejected_by_whatsapp').map(({ instanceId }) => instanceId),
      );
      trx.executionPromise.then(
        () => instanceIds.forEach(dispatcher.nudge),
        () => undefined,
      );
      // A refusal may be the first sign of a restriction.
      trx.executionPromise.then(
        () => refused.forEach((instanceId) => void inspectOne(instanceId)),
        () => undefined,
      );
    },

    async ready(instanceId) {
      if ((await campaigns.ofInstance(instanceId, ['running'])).length > 0) await inspectOne(instanceId);
      await dispatcher.ready(instanceId);
    },

    gone: (instanceId) => dispatcher.gone(instanceId),

    async abandoned(instanceId: string, reason: FailureReason) {
      dispatcher.gone(instanceId);
      if (reason === 'instance_deleted') return moveAll(instanceId, unfinished, 'fail', 'instance_deleted');
      await numbers.update(database.knex, instanceId, { pairedAt: null });
      await moveAll(instanceId, ['running'], 'pause', 'logged_out');
    },

    async blocked(instanceId) {
      await numbers.update(database.knex, instanceId, { restrictedUntil: clock.now() });
      await moveAll(instanceId, ['running'], 'pause', 'ban_signal');
    },

    async inspect() {
      for (const instanceId of await campaigns.runningInstances())
        if (dispatcher.isOnline(instanceId)) await inspectOne(instanceId);
    },

    async tick() {
      const now = clock.now();
      for (const { id, instanceId, endAt } of await campaigns.due(now)) {
        const isOver = endAt !== null && endAt <= now;
        await database.transaction((trx) =>
          isOver ? transitions.make(trx, 'cancel', id, 'end_time') : transitions.make(trx, 'start', id),
        );
        dispatcher.nudge(instanceId);
      }
      for (const { id } of await campaigns.unswept()) await retries.sweep(id);
      dispatcher.tick();
    },

    async prune() {
      const now = clock.now();
      for (const mediaId of await campaigns.mediaInUse()) await deps.touchMedia(mediaId, now);
      for (const id of await campaigns.endedBefore(now - deps.retentionDays * dayMs, prunedAtOnce))
        await loader.remove(id);
      const oldest = new Date(now - keptNumberDays * dayMs);
      await numbers.prune({
        checkedAt: now - checkDays * dayMs,
        sentAt: now - dayMs,
        day: oldest.getUTCFullYear() * 10_000 + (oldest.getUTCMonth() + 1) * 100 + oldest.getUTCDate(),
      });
    },
  };
}
