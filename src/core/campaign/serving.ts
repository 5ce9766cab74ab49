import type { Campaign, CampaignHold } from '../../model/campaign.ts';
import type { OutgoingContent } from '../../model/content.ts';
import type { Instance } from '../../model/instance.ts';
import type { Clock } from '../../model/time.ts';
import type { CampaignLaneStore } from '../../store/campaign-lanes.ts';
import type { CampaignStore } from '../../store/campaigns.ts';
import type { Database } from '../../store/database.ts';
import type { Outbox } from '../outbox.ts';
import type { Claim, Claims } from './claim.ts';
import type { Openings } from './openings.ts';
import type { SendRate } from './rate.ts';
import type { Transitions } from './transitions.ts';

/** What one campaign has to say to "send the next". */
type Served =
  | { result: 'sent'; until: number }
  | { result: 'later'; until: number }
  | { result: 'held'; hold: CampaignHold; until: number }
  | { result: 'nothing' };

/** Serves one campaign of a number at a time. */
interface Serving {
  /** Hands the campaign's next message to the outbox, or says why there is none now. */
  next(campaign: Campaign, instance: Instance): Promise<Served>;
  /** Ends what has nobody left, wherever its instance is; returns the others. */
  withoutDone(running: Campaign[]): Promise<Campaign[]>;
}

/** What serving a campaign stands on. */
export interface ServingDeps {
  database: Database;
  campaigns: CampaignStore;
  laneStore: CampaignLaneStore;
  claims: Claims;
  transitions: Transitions;
  openings: Openings;
  outbox: Pick<Outbox, 'admit' | 'added' | 'released'>;
  /** Says whether the instance's page can send this content. */
  canSend(instanceId: string, type: OutgoingContent['type']): boolean;
  clock: Clock;
}

const busyPollMs = 5_000;
const featurePollMs = 60_000;
const crowdedPollMs = 250;

/** Returns what serves campaigns. */
export function createServing(deps: ServingDeps & { rate: Pick<SendRate, 'sent'> }): Serving {
  const { database, campaigns, laneStore, claims, transitions, openings, outbox, rate, clock } = deps;

  /** False once a flush has failed: nobody else is taken before one succeeds. */
  let isFlushed = true;

  async function flush(): Promise<void> {
    isFlushed = false;
    await database.flushed();
    isFlushed = true;
  }

  async function withoutDone(running: Campaign[]): Promise<Campaign[]> {
    const left: Campaign[] = [];
    for (const campaign of running)
      if (campaign.counts.queued > 0 || campaign.counts.sending > 0) left.push(campaign);
      else await database.transaction((trx) => transitions.make(trx, 'complete', campaign.id));
    return left;
  }

  async function next(campaign: Campaign, instance: Instance): Promise<Served> {
    const now = clock.now();
    if (campaign.endAt !== null && campaign.endAt <= now) {
      await database.transaction((trx) => transitions.make(trx, 'cancel', campaign.id, 'end_time'));
      return { result: 'nothing' };
    }
    if (!deps.canSend(instance.id, campaign.media?.type ?? 'text'))
      return { result: 'held', hold: 'feature_missing', until: now + featurePollMs };
    let held: Extract<Served, { result: 'held' }> | null = null;
    for (const { lane, zone, head, tail } of await laneStore.of(campaign.id)) {
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
    if (!isFlushed) await flush();
    for (;;) {
      // People's messages first: the page takes a bulk message only when nothing else waits for it.
      if (outbox.admit(instance.id) === 'queued') return { result: 'later', until: clock.now() + crowdedPollMs };
      let claim: Claim;
      let isBegun = false;
      try {
        claim = await claims.claim({ campaign, instance, lane });
        // A power cut after the send must not forget that it was begun: what is not flushed waits for the next page.
        if (claim.result === 'claimed') await flush();
        isBegun = claim.result === 'claimed';
      } finally {
        if (!isBegun) outbox.released(instance.id);
      }
      if (claim.result === 'claimed') {
        rate.sent(campaign.id);
        outbox.added([claim.message]);
        return { result: 'sent', until: claim.nextSendAt };
      }
      if (claim.result === 'wait') return { result: 'later', until: claim.until };
      if (claim.result === 'busy') return { result: 'later', until: clock.now() + busyPollMs };
      if (claim.result === 'held') return claim;
      if (claim.result !== 'skipped') return { result: 'nothing' };
    }
  }

  return { next, withoutDone };
}
