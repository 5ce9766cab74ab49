/** A day of the calendar, without a zone. */
export interface LocalDay {
  year: number;
  /** 1–12 */
  month: number;
  /** 1–31 */
  day: number;
}

/** A moment as a clock on the wall shows it. */
interface LocalTime extends LocalDay {
  /** Minutes since the local midnight, 0–1439. */
  minute: number;
}

/** A time zone by its IANA name, safe around changes of its clocks. */
export interface TimeZone {
  name: string;
  /** Returns what clocks show at a Unix ms. */
  local(at: number): LocalTime;
  /**
   * Returns the Unix ms at which clocks first show a day and minute (1440: the next midnight); where they are set forward over
   * it, the moment they are.
   */
  instant(day: LocalDay, minute: number): number;
}

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** Tells whether the text names a time zone, e.g. `Africa/Dar_es_Salaam`. */
export function isTimeZone(name: string): boolean {
  if (name === '') return false;
  try {
    return Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** Returns the zone. @throws RangeError when there is none of that name */
export function createTimeZone(name: string): TimeZone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });

  /** The wall clock's reading as if it were UTC; the text `11/21/2026, 09:30:00` costs a quarter of its parts. */
  function wallMs(at: number): number {
    const [month = 1, day = 1, year = 1970, hour = 0, minute = 0, second = 0] = format
      .format(at)
      .split(/\D+/)
      .map(Number);
    return Date.UTC(year, month - 1, day, hour, minute, second);
  }

  const offsetMs = (at: number): number => wallMs(at) - Math.floor(at / 1000) * 1000;

  function local(at: number): LocalTime {
    const wall = new Date(wallMs(at));
    return { ...dayOf(wall), minute: wall.getUTCHours() * 60 + wall.getUTCMinutes() };
  }

  function instant({ year, month, day }: LocalDay, minute: number): number {
    const wall = Date.UTC(year, month - 1, day) + minute * minuteMs;
    const before = offsetMs(wall - dayMs);
    const after = offsetMs(wall + dayMs);
    const readings = before === after ? [wall - before] : [wall - before, wall - after].toSorted((a, b) => a - b);
    const first = readings.find((at) => at + offsetMs(at) === wall);
    return first ?? changeBetween(wall - dayMs, wall + dayMs, before);
  }

  /** The first minute whose offset is no longer `before`. */
  function changeBetween(fromMs: number, toMs: number, before: number): number {
    let [low, high] = [Math.floor(fromMs / minuteMs), Math.ceil(toMs / minuteMs)];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offsetMs(middle * minuteMs) === before) low = middle;
      else high = middle;
    }
    return high * minuteMs;
  }

  return { name, local, instant };
}

/** Returns the day that lies `days` after another. */
export function addDays({ year, month, day }: LocalDay, days: number): LocalDay {
  return dayOf(new Date(Date.UTC(year, month - 1, day + days)));
}

/** Returns 0 for Sunday to 6 for Saturday. */
export function weekdayOf({ year, month, day }: LocalDay): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay();
}

/** Returns the day as `2026-11-21`. */
export function dayText({ year, month, day }: LocalDay): string {
  return `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
}

function dayOf(utc: Date): LocalDay {
  return { year: utc.getUTCFullYear(), month: utc.getUTCMonth() + 1, day: utc.getUTCDate() };
}
