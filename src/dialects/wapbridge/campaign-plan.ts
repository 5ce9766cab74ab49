import { type CampaignWindow, type Pacing, type QuietHours, defaultPacing } from '../../model/campaign.ts';
import { GatewayError } from '../../model/errors.ts';
import type { Instance } from '../../model/instance.ts';
import { homeZone, momentOf } from './moment.ts';

/** `pacing` as this API words it. */
export interface PacingInput {
  median_seconds?: number;
  min_seconds?: number;
  max_seconds?: number;
  break_every_min?: number;
  break_every_max?: number;
  break_min_seconds?: number;
  break_max_seconds?: number;
  daily_cap?: number;
  new_chat_cap?: number;
  warm_up?: boolean;
}

/** `window` as this API words it. */
export interface WindowInput {
  days?: (string | number)[];
  from?: string;
  to?: string;
  cron?: string;
  zone?: string;
}

/** `quiet_hours` as this API words it. */
export interface QuietHoursInput {
  from: string;
  to: string;
}

/** When and how fast a campaign is to send. */
export interface PlanInput {
  schedule_at?: string;
  end_at?: string;
  window?: WindowInput;
  pacing?: PacingInput;
  quiet_hours?: QuietHoursInput | false | 'false' | 'off' | 'none' | 0 | '0';
}

/** The same as the core words it. */
interface Plan {
  scheduleAt?: number;
  endAt?: number;
  window?: CampaignWindow;
  pacing?: Partial<Pacing>;
  quietHours?: QuietHours | null;
}

const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

/** Returns the plan; times and hours that name no zone are those of the instance's number. @throws GatewayError invalid_input */
export function planOf(input: PlanInput, instance: Instance): Plan {
  const zone = homeZone(instance);
  return {
    ...(input.schedule_at !== undefined && { scheduleAt: momentOf('schedule_at', input.schedule_at, zone) }),
    ...(input.end_at !== undefined && { endAt: momentOf('end_at', input.end_at, zone) }),
    ...(input.window && { window: windowOf(input.window, zone) }),
    ...(input.pacing && { pacing: pacingOf(input.pacing) }),
    ...(input.quiet_hours !== undefined && { quietHours: quietHoursOf(input.quiet_hours) }),
  };
}

/**
 * Returns the pacing. Who names only a median means the bounds to go with it: they give way where they would cut it off.
 */
export function pacingOf(input: PacingInput): Partial<Pacing> {
  const ms = (seconds: number | undefined) => (seconds === undefined ? undefined : Math.round(seconds * 1000));
  const medianMs = ms(input.median_seconds);
  const given: { [K in keyof Pacing]: Pacing[K] | undefined } = {
    medianMs,
    minMs: ms(input.min_seconds) ?? (medianMs === undefined ? undefined : Math.min(defaultPacing.minMs, medianMs / 2)),
    maxMs: ms(input.max_seconds) ?? (medianMs === undefined ? undefined : Math.max(defaultPacing.maxMs, medianMs * 3)),
    breakEveryMin: input.break_every_min ?? (input.break_every_max === 0 ? 0 : undefined),
    breakEveryMax: input.break_every_max,
    breakMinMs: ms(input.break_min_seconds),
    breakMaxMs: ms(input.break_max_seconds),
    dailyCap: input.daily_cap,
    newChatCap: input.new_chat_cap,
    warmUp: input.warm_up,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Returns a pacing in this API's words. */
export function presentPacing(pacing: Pacing): Required<PacingInput> {
  return {
    median_seconds: pacing.medianMs / 1000,
    min_seconds: pacing.minMs / 1000,
    max_seconds: pacing.maxMs / 1000,
    break_every_min: pacing.breakEveryMin,
    break_every_max: pacing.breakEveryMax,
    break_min_seconds: pacing.breakMinMs / 1000,
    break_max_seconds: pacing.breakMaxMs / 1000,
    daily_cap: pacing.dailyCap,
    new_chat_cap: pacing.newChatCap,
    warm_up: pacing.warmUp,
  };
}

function windowOf(input: WindowInput, zone: string): CampaignWindow {
  const { cron, from, to, days } = input;
  if (cron !== undefined) {
    if (from !== undefined || to !== undefined || days !== undefined)
      throw invalid('window', 'has either a cron expression or hours, not both');
    return { cron, zone: input.zone ?? zone };
  }
  if (from === undefined || to === undefined) throw invalid('window', 'needs from and to, or a cron expression');
  if (days?.length === 0) throw invalid('window.days', 'never opens: it names no day');
  return { days: (days ?? []).map(weekdayOf), from: minutes(from), to: minutes(to), zone: input.zone ?? zone };
}

function weekdayOf(day: string | number): number {
  const number = Number(day);
  if (Number.isInteger(number) && number >= 0 && number <= 7 && day !== '') return number % 7;
  const index = weekdays.indexOf(String(day).slice(0, 3));
  if (index < 0 || !/^(sun|mon|tues?|wed(nes)?|thu(rs)?|fri|sat(ur)?)(day)?$/.test(String(day)))
    throw invalid('window.days', `${day} is not a weekday: write mon, tue … or 0 (Sunday) to 6`);
  return index;
}

function quietHoursOf(input: NonNullable<PlanInput['quiet_hours']>): QuietHours | null {
  return typeof input === 'object' ? { from: minutes(input.from), to: minutes(input.to) } : null;
}

/** Frappe writes times with seconds. */
function minutes(clock: string): string {
  return clock.split(':').slice(0, 2).join(':');
}

function invalid(field: string, problem: string): GatewayError {
  return new GatewayError('invalid_input', `${field} ${problem}`, { details: { [field]: `${field} ${problem}` } });
}
