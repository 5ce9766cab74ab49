import type { Campaign, CampaignForecast, RecipientSource } from '../../model/campaign.ts';
import type { Instance } from '../../model/instance.ts';
import type { Clock } from '../../model/time.ts';
import type { CampaignLaneStore } from '../../store/campaign-lanes.ts';
import type { Database } from '../../store/database.ts';
import type { InstanceStore } from '../../store/instances.ts';
import type { NumberPacing, NumberStore } from '../../store/numbers.ts';
import { pacingOf } from './claim.ts';
import type { NumberClock } from './number-clock.ts';
import type { Intake } from './recipients.ts';
import { forecast } from './simulate.ts';

/** Recipients of one zone. */
interface ZoneCount {
  zone: string;
  count: number;
}

/** What is foreseen of campaigns. */
export interface Forecasts {
  /** Returns how a campaign would go on its number as that is now. */
  of(
    input: Pick<Campaign, 'pacing' | 'window' | 'quietHours' | 'scheduleAt' | 'endAt'> & {
      lanes: readonly ZoneCount[];
      instance: Instance;
      number: NumberPacing;
    },
    maxDays?: number,
  ): Promise<CampaignForecast>;
  /** Returns when a campaign is likely to have served its last, null when it has ended or cannot tell; up to a minute old. */
  etaAt(campaign: Campaign, number: NumberPacing): Promise<number | null>;
  /** Counts a list without storing it: each number once, by zone. */
  count(
    source: RecipientSource,
    intake: Intake,
  ): Promise<{ given: number; total: number; duplicates: number; lanes: ZoneCount[] }>;
}

const longestDays = 366;
const etaDays = 30;
const etaLifeMs = 60_000;
const keptEtas = 1_000;

/** Returns what foresees campaigns. */
export function createForecasts(deps: {
  database: Database;
  laneStore: CampaignLaneStore;
  numbers: NumberStore;
  instances: InstanceStore;
  numberClock: NumberClock;
  clock: Clock;
}): Forecasts {
  const { database, laneStore, numbers, instances, numberClock, clock } = deps;
  const etas = new Map<string, { at: number | null; readAt: number; state: string }>();

  const of: Forecasts['of'] = async (input, maxDays = longestDays) => {
    const { lanes, instance, number, window, quietHours, scheduleAt, endAt } = input;
    const now = clock.now();
    const today = await numbers.day(database.knex, instance.id, numberClock.day(instance, now).day);
    return forecast({
      lanes,
      window,
      quietHours,
      endAt,
      now,
      maxDays,
      pacing: pacingOf(input, number),
      zone: numberClock.zone(instance),
      nextSendAt: Math.max(number.nextSendAt, scheduleAt ?? 0, now),
      pairedAt: Math.max(number.pairedAt ?? now, number.restrictedUntil ?? 0),
      sentToday: today.sent,
      newChatsToday: today.newChats,
    });
  };

  async function compute(campaign: Campaign, number: NumberPacing): Promise<number | null> {
    const instance = await instances.byId(campaign.instanceId);
    if (!instance) return null;
    // A lane has gaps where numbers came twice: the counter knows how many are left in all.
    const open = (await laneStore.of(campaign.id)).filter(({ head, tail }) => head < tail);
    const places = open.reduce((sum, { head, tail }) => sum + tail - head, 0);
    const share = places > 0 ? campaign.counts.queued / places : 0;
    const lanes = open.map(({ zone, head, tail }) => ({ zone, count: Math.ceil((tail - head) * share) }));
    return (await of({ ...campaign, lanes, instance, number }, etaDays)).finishesAt;
  }

  return {
    of,

    async etaAt(campaign, number) {
      if (!['scheduled', 'running', 'paused'].includes(campaign.state) || campaign.counts.queued === 0) return null;
      const now = clock.now();
      const known = etas.get(campaign.id);
      if (known && known.state === campaign.state && now >= known.readAt && now - known.readAt < etaLifeMs)
        return known.at;
      const at = await compute(campaign, number);
      etas.delete(campaign.id);
      etas.set(campaign.id, { at, readAt: now, state: campaign.state });
      if (etas.size > keptEtas) etas.delete(etas.keys().next().value!);
      return at;
    },

    async count(source, intake) {
      const seen = new Set<number>();
      const zones = new Map<string, number>();
      let given = 0;
      let valid = 0;
      for await (const batch of source) {
        given += batch.length;
        for (const { phone, zone } of intake.take(batch)) {
          valid += 1;
          const number = Number(phone);
          if (seen.has(number)) continue;
          seen.add(number);
          zones.set(zone, (zones.get(zone) ?? 0) + 1);
        }
      }
      return {
        given,
        total: seen.size,
        duplicates: valid - seen.size,
        lanes: [...zones].map(([zone, count]) => ({ zone, count })),
      };
    },
  };
}
