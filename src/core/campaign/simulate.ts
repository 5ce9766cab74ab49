import type { CampaignForecast, CampaignWindow, Pacing, QuietHours } from '../../model/campaign.ts';
import { type Calendar, type Opening, createCalendar } from './calendar.ts';
import { type LocalDay, type TimeZone, addDays, createTimeZone, dayText } from './local-time.ts';
import { dayCap, meanStepMs } from './pacing.ts';
import { mainZone } from './zones.ts';

/** What a forecast is made from. */
export interface ForecastInput {
  /** Recipients still to be served, by their zone. */
  lanes: readonly { zone: string; count: number }[];
  pacing: Pacing;
  window: CampaignWindow | null;
  quietHours: QuietHours | null;
  /** Where the number counts its days. */
  zone: string;
  now: number;
  /** When the number may send the next one, or when the campaign is to start. */
  nextSendAt: number | null;
  /** Since when the number is linked and unrestricted; null: long ago. */
  pairedAt: number | null;
  /** Bulk messages sent so far today, and those of them to new chats. */
  sentToday: number;
  newChatsToday: number;
  /** Which part of the recipients has no chat with the number yet; default: all. */
  newChatShare?: number;
  /** What is left then is cancelled. */
  endAt?: number | null;
  /** How many days are gone through one by one; what lies beyond is extrapolated. */
  maxDays: number;
}

interface Lane {
  zone: string;
  left: number;
  calendar: Calendar;
  opening: Opening | null;
}

const dayMs = 86_400_000;
const rateDays = 7;

/**
 * Returns how a campaign would go: when it ends and how many messages each day of the number has, counted with the mean gap, so
 * that a million recipients take no longer than ten. `finishesAt` beyond `maxDays` follows from the rate of the last week.
 */
export function forecast(input: ForecastInput): CampaignForecast {
  const zone = createTimeZone(mainZone(input.zone));
  const stepMs = Math.max(1, meanStepMs(input.pacing));
  const warnings: string[] = [];
  const lanes = openLanes(input, warnings);
  const canFinish = warnings.length === 0;
  const days: { date: string; count: number }[] = [];
  let moment = Math.max(input.now, input.nextSendAt ?? input.now);
  let lastSendAt = moment;

  for (let index = 0; index < input.maxDays && leftIn(lanes) > 0 && moment < endOf(input); index += 1) {
    const today = zone.local(moment);
    const endsAt = Math.min(zone.instant(addDays(today, 1), 0), endOf(input));
    const isToday = sameDay(today, zone.local(input.now));
    const served = serveDay(lanes, { moment, endsAt, stepMs, most: capOf(input, endsAt, isToday) });
    if (served.count > 0) lastSendAt = served.lastSendAt;
    if (served.count > 0 || days.length > 0) days.push({ date: dayText(today), count: served.count });
    moment = served.count > 0 || index === 0 ? endsAt : nextDayWithWork(zone, lanes, endsAt);
  }

  const left = leftIn(lanes);
  if (left > 0 && moment >= endOf(input)) {
    warnings.push(`${left} recipients would not be reached before the end time`);
    return { finishesAt: canFinish ? input.endAt! : null, days, warnings };
  }
  return { finishesAt: canFinish ? finish(days, lastSendAt, left) : null, days, warnings };
}

function openLanes(input: ForecastInput, warnings: string[]): Lane[] {
  return input.lanes
    .filter((lane) => lane.count > 0)
    .flatMap(({ zone, count }) => {
      const calendar = createCalendar({ window: input.window, quietHours: input.quietHours, zone });
      const opening = calendar.next(input.now);
      if (opening) return [{ zone, left: count, calendar, opening }];
      warnings.push(`The window never opens outside of the quiet hours of ${zone}: ${count} recipients wait in vain`);
      return [];
    });
}

/** One day's sends; lanes that close soonest go first. */
function serveDay(
  lanes: Lane[],
  day: { moment: number; endsAt: number; stepMs: number; most: number },
): { count: number; lastSendAt: number } {
  let { moment } = day;
  let count = 0;
  let lastSendAt = moment;
  while (moment < day.endsAt && count < day.most) {
    const working = lanes.filter((lane) => lane.left > 0 && openingAt(lane, moment));
    const open = working.filter((lane) => lane.opening!.opensAt <= moment);
    if (open.length === 0) {
      const opensAt = Math.min(...working.map((lane) => lane.opening!.opensAt));
      if (!(opensAt < day.endsAt)) break;
      moment = opensAt;
      continue;
    }
    const first = open.reduce((a, b) => (b.opening!.closesAt < a.opening!.closesAt ? b : a));
    const untilMs = Math.min(first.opening!.closesAt, day.endsAt) - moment;
    const sends = Math.min(Math.ceil(untilMs / day.stepMs), first.left, day.most - count);
    first.left -= sends;
    count += sends;
    lastSendAt = moment + (sends - 1) * day.stepMs;
    moment += sends * day.stepMs;
  }
  return { count, lastSendAt };
}

function openingAt(lane: Lane, moment: number): Opening | null {
  if (lane.opening && lane.opening.closesAt <= moment) lane.opening = lane.calendar.next(moment);
  return lane.opening;
}

/** Days on which nobody's hours open are not gone through. */
function nextDayWithWork(zone: TimeZone, lanes: Lane[], moment: number): number {
  const openings = lanes.filter((lane) => lane.left > 0).map((lane) => openingAt(lane, moment)?.opensAt ?? Infinity);
  const opensAt = Math.min(...openings);
  if (opensAt === Infinity || opensAt <= moment) return moment;
  return Math.max(moment, zone.instant(zone.local(opensAt), 0));
}

/** By the end of the day the warm-up has come as far as it does on that day. */
function capOf(input: ForecastInput, endsAt: number, isToday: boolean): number {
  const { pacing, pairedAt } = input;
  const daysSincePaired = pairedAt === null ? Infinity : (endsAt - 1 - pairedAt) / dayMs;
  const share = input.newChatShare ?? 1;
  const all = dayCap(pacing, daysSincePaired) - (isToday ? input.sentToday : 0);
  const fresh = share > 0 ? (pacing.newChatCap - (isToday ? input.newChatsToday : 0)) / share : Infinity;
  return Math.max(0, Math.floor(Math.min(all, fresh)));
}

function finish(days: { count: number }[], lastSendAt: number, left: number): number | null {
  if (left === 0) return Math.round(lastSendAt);
  const lastWeek = days.slice(-rateDays);
  const perDay = lastWeek.reduce((sum, day) => sum + day.count, 0) / Math.max(1, lastWeek.length);
  return perDay > 0 ? Math.round(lastSendAt + (left / perDay) * dayMs) : null;
}

function leftIn(lanes: Lane[]): number {
  return lanes.reduce((sum, lane) => sum + lane.left, 0);
}

function endOf(input: ForecastInput): number {
  return input.endAt ?? Infinity;
}

function sameDay(a: LocalDay, b: LocalDay): boolean {
  return dayText(a) === dayText(b);
}
