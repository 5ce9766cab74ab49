import type { Instance } from '../../model/instance.ts';
import type { NumberPacing } from '../../store/numbers.ts';
import { addDays, createTimeZone, isTimeZone, type TimeZone } from './local-time.ts';
import { zoneOfPhone } from './zones.ts';

/** The calendar of sending numbers: their days begin at midnight where the number is at home. */
export interface NumberClock {
  /** The IANA zone of the instance's own number, UTC when it cannot be told. */
  zone(instance: Instance): string;
  /** Returns the day as 20261121, and when the next one begins. */
  day(instance: Instance, now: number): { day: number; endsAt: number };
}

const dayMs = 86_400_000;

/** Returns the calendar of sending numbers. */
export function createNumberClock(): NumberClock {
  const zones = new Map<string, TimeZone>();
  const days = new Map<string, { day: number; startsAt: number; endsAt: number }>();

  function zone(instance: Instance): string {
    const name = instance.phone ? zoneOfPhone(instance.phone)?.split('+')[0] : null;
    return name && isTimeZone(name) ? name : 'UTC';
  }

  function zoneNamed(name: string): TimeZone {
    let found = zones.get(name);
    if (!found) zones.set(name, (found = createTimeZone(name)));
    return found;
  }

  return {
    zone,
    day(instance, now) {
      const key = instance.phone ?? '';
      const known = days.get(key);
      if (known && known.startsAt <= now && now < known.endsAt) return known;
      const local = zoneNamed(zone(instance));
      const today = local.local(now);
      const found = {
        day: today.year * 10_000 + today.month * 100 + today.day,
        startsAt: now,
        endsAt: local.instant(addDays(today, 1), 0),
      };
      days.set(key, found);
      return found;
    },
  };
}

/** Returns for how many days the number has been linked without a restriction: what the warm-up counts by. */
export function daysLinked({ pairedAt, restrictedUntil }: NumberPacing, now: number): number {
  const since = Math.max(pairedAt ?? now, restrictedUntil ?? 0);
  return Math.max(0, (now - since) / dayMs);
}
