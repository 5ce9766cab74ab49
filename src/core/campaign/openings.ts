import type { Campaign, CampaignHold } from '../../model/campaign.ts';
import { type Calendar, createCalendar, type Opening } from './calendar.ts';

/** When a lane may send. */
type LaneHours = { open: true } | { open: false; hold: CampaignHold; opensAt: number };

/** The hours of lanes, read from a calendar once for each opening. */
export interface Openings {
  at(campaign: Campaign, zone: string, now: number): LaneHours;
}

const kept = 1_000;
/** A window that never opens again (a cron expression for a day long gone) is looked at again after this. */
const lookAgainMs = 86_400_000;

/** Returns the hours of lanes. */
export function createOpenings(): Openings {
  const calendars = new Map<string, { calendar: Calendar; opening: Opening | null; askedAt: number }>();

  function openingOf(key: string, make: () => Calendar, now: number): Opening | null {
    const known = calendars.get(key) ?? { calendar: make(), opening: null, askedAt: Number.NEGATIVE_INFINITY };
    const isCurrent = known.opening
      ? known.askedAt <= now && now < known.opening.closesAt
      : known.askedAt <= now && now < known.askedAt + lookAgainMs;
    if (isCurrent) return known.opening;
    known.opening = known.calendar.next(now);
    known.askedAt = now;
    calendars.set(key, known);
    if (calendars.size > kept) calendars.delete(calendars.keys().next().value!);
    return known.opening;
  }

  return {
    at(campaign, zone, now) {
      const { window, quietHours } = campaign;
      if (!window && !quietHours) return { open: true };
      const whole = openingOf(`${campaign.id} ${zone}`, () => createCalendar({ window, quietHours, zone }), now);
      if (whole && whole.opensAt <= now) return { open: true };
      const opensAt = whole?.opensAt ?? now + lookAgainMs;
      if (!window) return { open: false, hold: 'quiet_hours', opensAt };
      const own = openingOf(campaign.id, () => createCalendar({ window, quietHours: null, zone }), now);
      return { open: false, hold: own && own.opensAt <= now ? 'quiet_hours' : 'outside_window', opensAt };
    },
  };
}
