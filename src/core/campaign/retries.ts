import type { CampaignLaneStore } from '../../store/campaign-lanes.ts';
import type { CampaignStore } from '../../store/campaigns.ts';
import type { Database } from '../../store/database.ts';
import type { RecipientStore } from '../../store/recipients.ts';
import type { Exclusive } from '../exclusive.ts';
import type { Transitions } from './transitions.ts';

/** Second chances for recipients, and the end of those that wait in vain; both in small transactions. */
export interface Retries {
  /** Moves failed recipients behind the last of their lane, so that the cursor comes to them; returns how many. */
  failed(campaignId: string): Promise<number>;
  /** Sets what is still queued of an ended campaign to cancelled. */
  sweep(campaignId: string): Promise<void>;
}

const rangeRows = 5_000;

/** Returns what moves recipients in numbers. */
export function createRetries(deps: {
  database: Database;
  campaigns: CampaignStore;
  laneStore: CampaignLaneStore;
  recipients: RecipientStore;
  transitions: Transitions;
  exclusive: Exclusive;
  now: () => number;
}): Retries {
  const { database, campaigns, laneStore, recipients, transitions, exclusive } = deps;

  async function retryRange(campaignId: string, lane: number, from: number, before: number): Promise<number> {
    return database.transaction(async (trx) => {
      const cursor = await laneStore.lock(trx, campaignId, lane);
      if (!cursor) return 0;
      const shift = cursor.tail - from;
      const moved = await recipients.requeue(trx, { campaignId, lane, from, before, state: 'failed', shift });
      if (moved === 0) return 0;
      await laneStore.setTails(trx, campaignId, [{ ...cursor, tail: cursor.tail + before - from }]);
      await campaigns.count(trx, campaignId, { failed: -moved, queued: moved });
      await transitions.make(trx, 'reopen', campaignId);
      return moved;
    });
  }

  async function sweepRange(campaignId: string, lane: number, from: number, before: number): Promise<void> {
    await database.transaction(async (trx) => {
      const cancelled = await recipients.cancel(trx, { campaignId, lane, from, before, now: deps.now() });
      await laneStore.setHead(trx, campaignId, lane, before);
      await campaigns.count(trx, campaignId, { queued: -cancelled, cancelled });
    });
  }

  return {
    failed: (campaignId) =>
      exclusive(campaignId, async () => {
        let moved = 0;
        for (const { lane, head } of await laneStore.of(campaignId))
          for (let at = 0; at < head; at += rangeRows)
            moved += await retryRange(campaignId, lane, at, Math.min(at + rangeRows, head));
        return moved;
      }),

    sweep: (campaignId) =>
      exclusive(campaignId, async () => {
        for (const { lane, head, tail } of await laneStore.of(campaignId))
          for (let at = head; at < tail; at += rangeRows)
            await sweepRange(campaignId, lane, at, Math.min(at + rangeRows, tail));
      }),
  };
}
