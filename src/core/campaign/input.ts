import {
  type Campaign,
  type CampaignWindow,
  defaultPacing,
  type Pacing,
  type QuietHours,
  type RecipientSource,
} from '../../model/campaign.ts';
import type { ContentInput } from '../../model/content.ts';
import { GatewayError } from '../../model/errors.ts';
import type { Instance } from '../../model/instance.ts';
import type { Clock } from '../../model/time.ts';
import type { NewCampaign } from '../../store/campaigns.ts';
import type { IdempotencyKey } from '../idempotency.ts';
import { homeCountry } from '../country.ts';
import { checkWindow, createCalendar } from './calendar.ts';
import type { NumberClock } from './number-clock.ts';
import { pacingWarnings } from './pacing.ts';
import { createIntake, type Intake } from './recipients.ts';
import { parseTemplate, type Template, variableKey } from './template.ts';

/** What a campaign is made from. */
export interface CampaignInput {
  instance: Instance;
  /** Default: its id. */
  name?: string;
  /** The text, or the caption of the media. */
  message: string;
  media?: Omit<Extract<ContentInput, { type: 'media' }>, 'type' | 'caption'>;
  /** Stand in for what a recipient does not bring. */
  variables?: Record<string, unknown>;
  recipients: RecipientSource;
  /** ISO country by which local numbers are read. */
  country?: string | null;
  scheduleAt?: number | null;
  endAt?: number | null;
  window?: CampaignWindow | null;
  pacing?: Partial<Pacing>;
  /** Null: none; absent: the default. */
  quietHours?: QuietHours | null;
  recipientEvents?: boolean;
  /** False makes a draft that `resume` starts. */
  start: boolean;
  idempotency?: IdempotencyKey;
}

/** What a checked input becomes. */
interface CheckedCampaign {
  campaign: Omit<NewCampaign, 'media' | 'createdAt'>;
  intake: Intake;
  warnings: string[];
}

/** Reads what people give for a campaign. */
export interface CampaignChecks {
  /** @throws GatewayError invalid_input, naming the field */
  check(input: Omit<CampaignInput, 'media' | 'start'> & Pick<Partial<CampaignInput>, 'media'>): CheckedCampaign;
  /** Returns what takes in recipients for a campaign that is there. */
  intakeOf(campaign: Campaign, instance: Instance, country?: string | null): Intake;
}

interface CampaignChecksDeps {
  numberClock: NumberClock;
  defaultCountry: string | null;
  /** Where a campaign says nothing. */
  quietHours: QuietHours | null;
  clock: Clock;
}

const longestName = 140;
const longestTemplate = { text: 60_000, caption: 4_096 };

/** Returns the checks of campaigns. */
export function createCampaignChecks(deps: CampaignChecksDeps): CampaignChecks {
  const { numberClock, clock } = deps;

  function check(input: Parameters<CampaignChecks['check']>[0]): CheckedCampaign {
    const { instance, message } = input;
    const template = templateOf(message, Boolean(input.media));
    const window = input.window ?? null;
    const quietHours = input.quietHours === undefined ? deps.quietHours : input.quietHours;
    const zone = numberClock.zone(instance);
    if (window) checkWindow(window);
    if (quietHours) createCalendar({ window: null, quietHours, zone });
    const scheduleAt = input.scheduleAt ?? null;
    const endAt = input.endAt ?? null;
    if (endAt !== null && endAt <= Math.max(clock.now(), scheduleAt ?? 0))
      throw invalid('end_at', 'must lie after the start and after now');
    const pacing = input.pacing ?? {};
    checkPacing(pacing);
    const variables = Object.fromEntries(
      Object.entries(input.variables ?? {}).map(([name, value]) => [variableKey(name), String(value as string)]),
    );
    const intake = intakeFor(instance, template, variables, input.country);
    const name = (input.name ?? '').trim().slice(0, longestName);
    const { accountId, id: instanceId } = instance;
    const recipientEvents = input.recipientEvents ?? false;
    return {
      intake,
      warnings: pacingWarnings({ ...defaultPacing, ...pacing }),
      campaign: {
        accountId,
        instanceId,
        name,
        template: message,
        variables,
        pacing,
        window,
        quietHours,
        recipientEvents,
        scheduleAt,
        endAt,
      },
    };
  }

  function intakeFor(
    instance: Instance,
    template: Template,
    defaults: Record<string, string>,
    country: string | null | undefined,
  ): Intake {
    return createIntake({
      country: homeCountry(country, instance, deps.defaultCountry),
      zone: numberClock.zone(instance),
      template,
      defaults,
    });
  }

  return {
    check,
    intakeOf: (campaign, instance, country) =>
      intakeFor(instance, parseTemplate(campaign.template), campaign.variables, country),
  };
}

/** @throws GatewayError invalid_input */
function templateOf(message: string, isCaption: boolean): Template {
  const most = isCaption ? longestTemplate.caption : longestTemplate.text;
  if (message.length > most) throw invalid('message', `is longer than ${most} characters`);
  if (!isCaption && message.trim() === '') throw invalid('message', 'is empty');
  return parseTemplate(message);
}

/** @throws GatewayError invalid_input, naming the field */
export function checkPacing(pacing: Partial<Pacing>): void {
  const whole = { ...defaultPacing, ...pacing };
  for (const [name, value] of Object.entries(pacing))
    if (typeof value === 'number' && !(value >= 0)) throw invalid(`pacing.${name}`, 'must not be negative');
  if (whole.dailyCap < 1) throw invalid('pacing.daily_cap', 'must be at least 1');
  const ordered: [string, number, number][] = [
    ['min_seconds is above max_seconds', whole.minMs, whole.maxMs],
    ['the shortest break is above the longest', whole.breakMinMs, whole.breakMaxMs],
    ['breaks: the least number of sends is above the most', whole.breakEveryMin, whole.breakEveryMax],
  ];
  for (const [problem, low, high] of ordered) if (low > high) throw invalid('pacing', problem);
}

function invalid(field: string, problem: string): GatewayError {
  return new GatewayError('invalid_input', `${field} ${problem}`, { details: { [field]: problem } });
}

/** Returns the refusal of a list that brings nobody. */
export function nobody(given: number, intake: Intake): GatewayError {
  const problem = given === 0 ? 'is empty' : 'holds no number that can be written to';
  return new GatewayError('invalid_input', `The list of recipients ${problem}`, {
    details: {
      recipients: problem,
      ...(given > 0 ? { invalid: intake.invalid, invalidCount: intake.invalidCount } : {}),
    },
  });
}
