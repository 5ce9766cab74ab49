import { validateDetailed } from 'node-cron';
import type { CampaignWindow, QuietHours } from '../../model/campaign.ts';
import { GatewayError } from '../../model/errors.ts';
import { type LocalDay, type TimeZone, addDays, createTimeZone, isTimeZone, weekdayOf } from './local-time.ts';

/** A stretch of time in which sending is allowed; `closesAt` itself is no longer in it. */
export interface Opening {
  /** Unix ms; at or before the moment asked about when it is open then. */
  opensAt: number;
  closesAt: number;
}

/** Says when sending is allowed. */
export interface Calendar {
  /** Returns the opening at a moment, or the next one; null when there is none for the next four years. */
  next(at: number): Opening | null;
}

/** Half-open minutes of one local day, sorted and apart. */
type DayRanges = readonly (readonly [from: number, to: number])[];

/** A weekly, yearly or other repetition by the days of one zone. */
interface Rule {
  zone: TimeZone;
  on(day: LocalDay): DayRanges;
}

const horizonDays = 4 * 366;
/** Two calendars that miss each other take two turns a day: after more than a year of days they always will. */
const maxAlternations = 800;
const wholeDay = 24 * 60;
const always: Calendar = { next: () => ({ opensAt: Number.MIN_SAFE_INTEGER, closesAt: Number.MAX_SAFE_INTEGER }) };

/**
 * Returns when a campaign may send to the recipients of a zone: inside its window and outside of their quiet hours. `zone` may be
 * several zones joined by `+`: then quiet hours of none of them may hold.
 * @throws GatewayError invalid_input, naming the field
 */
export function createCalendar(input: {
  window: CampaignWindow | null;
  quietHours: QuietHours | null;
  zone: string;
}): Calendar {
  const rules: Rule[] = [];
  if (input.window) rules.push(windowRule(input.window));
  if (input.quietHours)
    for (const zone of input.zone.split('+')) rules.push(wakingRule(input.quietHours, zoneOf('zone', zone)));
  return rules.map(calendarOf).reduce(overlap, always);
}

/** @throws GatewayError invalid_input when the window cannot be read or has no minute in it */
export function checkWindow(window: CampaignWindow): void {
  const calendar = calendarOf(windowRule(window));
  if (!calendar.next(0)) throw invalid('window', 'never opens');
}

/** Returns minutes since midnight of `09:00` or `9:30`, `24:00` included. @throws GatewayError invalid_input */
function minutesOf(field: string, text: string): number {
  const match = /^(\d{1,2}):([0-5]\d)$/.exec(text.trim());
  const minutes = match ? Number(match[1]) * 60 + Number(match[2]) : NaN;
  if (!(minutes <= wholeDay)) throw invalid(field, `must be a time such as 09:00 (it is ${text})`);
  return minutes;
}

function windowRule(window: CampaignWindow): Rule {
  const zone = zoneOf('window.zone', window.zone);
  if ('cron' in window) return { zone, on: cronRanges(window.cron) };
  const from = minutesOf('window.from', window.from);
  const to = minutesOf('window.to', window.to);
  if (from === to) throw invalid('window', `never opens: it is from ${window.from} to ${window.to}`);
  const days = new Set(window.days.length > 0 ? window.days : [0, 1, 2, 3, 4, 5, 6]);
  return { zone, on: (day) => hours(from, to, (ago) => days.has(weekdayOf(addDays(day, -ago)))) };
}

/** The hours that are not quiet, every day. */
function wakingRule(quiet: QuietHours, zone: TimeZone): Rule {
  const from = minutesOf('quiet_hours.to', quiet.to);
  const to = minutesOf('quiet_hours.from', quiet.from);
  if (from === to) throw invalid('quiet_hours', 'must begin and end at different times');
  const ranges = hours(from, to, () => true);
  return { zone, on: () => ranges };
}

/** Minutes of a day that hours from–to give it; hours over midnight belong to the day they begin on (`isOn(1)`: yesterday). */
function hours(from: number, to: number, isOn: (daysAgo: 0 | 1) => boolean): DayRanges {
  const parts: [number, number, boolean][] =
    from < to
      ? [[from, to, isOn(0)]]
      : [
          [0, to, isOn(1)],
          [from, wholeDay, isOn(0)],
        ];
  return parts.filter(([start, end, on]) => on && end > start).map(([start, end]) => [start, end] as const);
}

/**
 * Every minute that a cron expression of five fields matches is open. Where it names a day of the month and a weekday, both must
 * hold, as in node-cron, whose parser this is.
 */
function cronRanges(cron: string): (day: LocalDay) => DayRanges {
  const { fields, errors } = validateDetailed(cron);
  if (!fields) throw invalid('window.cron', errors[0]?.message ?? 'is not a cron expression');
  if (!cron.trim().startsWith('@') && cron.trim().split(/\s+/).length !== 5)
    throw invalid('window.cron', 'must have five fields: minute, hour, day, month, weekday');
  const unreadable = [...fields.dayOfMonth, ...fields.dayOfWeek].find((value) => typeof value === 'string');
  if (unreadable !== undefined)
    throw invalid('window.cron', `cannot hold ${unreadable}: days are numbers, lists and ranges here`);
  const months = new Set(fields.month);
  const daysOfMonth = new Set<unknown>(fields.dayOfMonth);
  const weekdays = new Set<unknown>(fields.dayOfWeek);
  const ranges = joined(fields.hour.flatMap((hour) => fields.minute.map((minute) => hour * 60 + minute)));
  return (day) => (months.has(day.month) && daysOfMonth.has(day.day) && weekdays.has(weekdayOf(day)) ? ranges : []);
}

/** Single minutes as ranges. */
function joined(minutes: number[]): DayRanges {
  const ranges: [number, number][] = [];
  for (const minute of minutes.toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] >= minute) last[1] = minute + 1;
    else ranges.push([minute, minute + 1]);
  }
  return ranges;
}

function calendarOf(rule: Rule): Calendar {
  function next(at: number): Opening | null {
    const today = rule.zone.local(at);
    // A day may begin twice or not at all where clocks change, so the day before is looked at as well.
    for (let ahead = -1; ahead <= horizonDays; ahead += 1) {
      const day = addDays(today, ahead);
      for (const [from, to] of rule.on(day)) {
        const closesAt = rule.zone.instant(day, to);
        if (closesAt <= at) continue;
        const opensAt = rule.zone.instant(day, from);
        if (opensAt < closesAt) return { opensAt, closesAt: extended(rule, day, to, closesAt) };
      }
    }
    return null;
  }
  return { next };
}

/** An opening that reaches midnight goes on if the next day begins with one. */
function extended(rule: Rule, day: LocalDay, to: number, closesAt: number): number {
  let [lastDay, end] = [day, closesAt];
  for (let reaches = to; reaches === wholeDay && end - closesAt < 8 * 86_400_000;) {
    lastDay = addDays(lastDay, 1);
    const first = rule.on(lastDay).find(([from]) => from === 0);
    if (!first) break;
    reaches = first[1];
    end = rule.zone.instant(lastDay, reaches);
  }
  return end;
}

/** Open when both are. */
function overlap(a: Calendar, b: Calendar): Calendar {
  function next(at: number): Opening | null {
    let moment = at;
    for (let turn = 0; turn < maxAlternations; turn += 1) {
      const [first, second] = [a.next(moment), b.next(moment)];
      if (!first || !second) return null;
      const opensAt = Math.max(first.opensAt, second.opensAt);
      const closesAt = Math.min(first.closesAt, second.closesAt);
      if (opensAt < closesAt) return { opensAt, closesAt };
      moment = opensAt;
      if (moment - at > horizonDays * 86_400_000) return null;
    }
    return null;
  }
  return { next };
}

function zoneOf(field: string, name: string): TimeZone {
  if (!isTimeZone(name)) throw invalid(field, `${name} is not a time zone, e.g. Africa/Dar_es_Salaam`);
  return createTimeZone(name);
}

function invalid(field: string, problem: string): GatewayError {
  return new GatewayError('invalid_input', `${field} ${problem}`, { details: { [field]: `${field} ${problem}` } });
}
