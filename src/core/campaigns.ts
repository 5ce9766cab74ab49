import {
  type Campaign,
  type CampaignForecast,
  type CampaignReceipt,
  type CampaignRecipient,
  type CampaignState,
  type CampaignView,
  type CampaignWindow,
  countersOf,
  defaultPacing,
  type Pacing,
  type QuietHours,
  type RecipientSource,
  type RecipientState,
} from '../model/campaign.ts';
import type { ContentInput, OutgoingContent } from '../model/content.ts';
import { GatewayError } from '../model/errors.ts';
import type { Instance } from '../model/instance.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { CampaignStore } from '../store/campaigns.ts';
import type { Database } from '../store/database.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { NumberStore } from '../store/numbers.ts';
import type { RecipientCursor, RecipientStore } from '../store/recipients.ts';
import { checkWindow, createCalendar } from './campaign/calendar.ts';
import { pacingOf } from './campaign/claim.ts';
import type { Dispatcher } from './campaign/dispatcher.ts';
import type { Forecasts } from './campaign/forecasts.ts';
import type { Loader } from './campaign/loader.ts';
import type { NumberClock } from './campaign/number-clock.ts';
import { pacingWarnings } from './campaign/pacing.ts';
import { createIntake, type Intake } from './campaign/recipients.ts';
import type { Retries } from './campaign/retries.ts';
import { parseTemplate, type Template, variableKey } from './campaign/template.ts';
import { canMove, type MoveName, type Transitions } from './campaign/transitions.ts';
import { homeCountry } from './country.ts';
import type { Outbox } from './outbox.ts';

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
}

/** The use cases of campaigns. Every call sees only what its caller may see; every change may be asked for twice. */
export interface Campaigns {
  /** Makes a campaign with all its recipients, or nothing. @throws GatewayError invalid_input | invalid_media | too_large | … */
  create(caller: Caller, input: CampaignInput): Promise<CampaignReceipt>;
  /** Adds recipients, all or none; a completed campaign goes on with them. @throws GatewayError not_found | conflict | invalid_input */
  add(
    caller: Caller,
    id: string,
    input: { recipients: RecipientSource; country?: string | null },
  ): Promise<CampaignReceipt>;
  /** @throws GatewayError not_found, also for another account's */
  status(caller: Caller, id: string): Promise<CampaignView>;
  /** @throws GatewayError not_found | conflict when it has ended or was never started */
  pause(caller: Caller, id: string): Promise<CampaignView>;
  /** Starts a draft, or goes on. @throws GatewayError not_found | conflict when it has ended */
  resume(caller: Caller, id: string): Promise<CampaignView>;
  /** @throws GatewayError not_found | conflict when it is completed or has failed */
  cancel(caller: Caller, id: string): Promise<CampaignView>;
  /** Newest first. */
  list(
    caller: Caller,
    input: { state?: CampaignState | null; before?: string | null; limit: number },
  ): Promise<CampaignView[]>;
  /** A page filtered by state may be short although more follow: `next` tells. */
  recipients(
    caller: Caller,
    id: string,
    input: { state?: RecipientState | null; after?: RecipientCursor | null; limit: number },
  ): Promise<{ recipients: CampaignRecipient[]; next: RecipientCursor | null }>;
  /** Queues failed recipients again (not wrong numbers, not the uncertain); a completed campaign goes on. @throws GatewayError not_found | conflict */
  retryFailed(caller: Caller, id: string): Promise<{ retried: number; campaign: CampaignView }>;
  /** Tells how a campaign would go; nothing is written or sent. @throws GatewayError as `create` */
  simulate(caller: Caller, input: Omit<CampaignInput, 'media' | 'start'>): Promise<CampaignSimulation>;
  /** The pacing of an instance's number: its own settings over the safe ones. */
  pacing(instance: Instance): Promise<Pacing>;
  /** Sets what differs from the safe pacing; null goes back to it. @throws GatewayError invalid_input */
  setPacing(instance: Instance, pacing: Partial<Pacing> | null): Promise<{ pacing: Pacing; warnings: string[] }>;
}

export interface CampaignSimulation extends CampaignForecast {
  total: number;
  duplicates: number;
  invalid: { number: string; reason: string }[];
  invalidCount: number;
}

interface CampaignsDeps {
  database: Database;
  store: CampaignStore;
  recipients: RecipientStore;
  numbers: NumberStore;
  instances: InstanceStore;
  loader: Loader;
  retries: Retries;
  transitions: Transitions;
  dispatcher: Dispatcher;
  forecasts: Forecasts;
  numberClock: NumberClock;
  outbox: Pick<Outbox, 'flush'>;
  prepareContent(accountId: string, input: ContentInput): Promise<OutgoingContent>;
  defaultCountry: string | null;
  /** Where a campaign says nothing. */
  quietHours: QuietHours | null;
  basePacing?: Pacing;
  /** Cancels what is left of an ended campaign. */
  sweep(id: string): Promise<void>;
  clock: Clock;
}

const longestName = 140;
const longestTemplate = { text: 60_000, caption: 4_096 };

/** Returns the use cases of campaigns. */
export function createCampaigns(deps: CampaignsDeps): Campaigns {
  const { database, store, numbers, instances, loader, transitions, dispatcher, forecasts, clock } = deps;

  // ---- making ----

  async function create(caller: Caller, input: CampaignInput): Promise<CampaignReceipt> {
    const { instance } = input;
    const checked = check(input);
    const media = input.media ? await storeMedia(caller, input.media) : null;
    const campaign = await store.create({ ...checked.campaign, media, createdAt: clock.now() });
    const loaded = await loader.load({
      campaign,
      source: input.recipients,
      intake: checked.intake,
      isNew: true,
      publish: async (trx, { given, queued, optedOut }) => {
        if (queued + optedOut === 0) throw nobody(given, checked.intake);
        if (input.start) await transitions.make(trx, beginning(campaign), campaign.id);
      },
    });
    dispatcher.nudge(instance.id);
    return receipt(campaign.id, loaded, checked.intake, [
      ...checked.warnings,
      ...(input.start && instance.state !== 'ready'
        ? [`Instance ${instance.id} is not connected (it is ${instance.state}): the campaign waits for it`]
        : []),
    ]);
  }

  /** @throws GatewayError invalid_input */
  function check(input: Omit<CampaignInput, 'media' | 'start'> & Pick<Partial<CampaignInput>, 'media'>) {
    const { instance, message } = input;
    const template = templateOf(message, Boolean(input.media));
    const window = input.window ?? null;
    const quietHours = input.quietHours === undefined ? deps.quietHours : input.quietHours;
    const zone = deps.numberClock.zone(instance);
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
      zone: deps.numberClock.zone(instance),
      template,
      defaults,
    });
  }

  async function storeMedia(
    caller: Caller,
    media: NonNullable<CampaignInput['media']>,
  ): Promise<NonNullable<Campaign['media']>> {
    const content = await deps.prepareContent(caller.accountId, { ...media, type: 'media' });
    return content as NonNullable<Campaign['media']>;
  }

  function beginning({ scheduleAt }: Pick<Campaign, 'scheduleAt'>): MoveName {
    return scheduleAt !== null && scheduleAt > clock.now() ? 'schedule' : 'start';
  }

  async function add(
    caller: Caller,
    id: string,
    { recipients, country }: { recipients: RecipientSource; country?: string | null },
  ): Promise<CampaignReceipt> {
    const campaign = await find(caller, id);
    const instance = await instances.byId(campaign.instanceId);
    refuseEnded(campaign, 'recipients cannot be added');
    if (!instance) throw new GatewayError('instance_not_found', `There is no instance ${campaign.instanceId}`);
    const intake = intakeFor(instance, parseTemplate(campaign.template), campaign.variables, country);
    const loaded = await loader.load({
      campaign,
      source: recipients,
      intake,
      isNew: false,
      publish: async (trx, { given, queued }) => {
        if (given === 0) throw nobody(given, intake);
        const now = await store.byId(campaign.id, trx);
        if (!now) throw new GatewayError('not_found', `There is no campaign ${id}`);
        refuseEnded(now, 'recipients cannot be added');
        if (queued > 0) await transitions.make(trx, 'reopen', campaign.id);
      },
    });
    dispatcher.nudge(campaign.instanceId);
    return receipt(campaign.id, loaded, intake, []);
  }

  async function receipt(
    id: string,
    loaded: { queued: number; duplicates: number; optedOut: number },
    { invalid: listed, invalidCount }: Intake,
    warnings: string[],
  ): Promise<CampaignReceipt> {
    const campaign = (await store.byId(id))!;
    const { queued, duplicates, optedOut } = loaded;
    const { total } = countersOf(campaign.counts);
    return { campaign, total, queued, duplicates, optedOut, invalid: listed, invalidCount, warnings };
  }

  // ---- looking ----

  async function find(caller: Caller, id: string): Promise<Campaign> {
    const campaign = await store.byId(id);
    const bound = caller.token.instanceId;
    if (!campaign || campaign.accountId !== caller.accountId || (bound && campaign.instanceId !== bound))
      throw new GatewayError('not_found', `There is no campaign ${id}`);
    return campaign;
  }

  async function view(campaign: Campaign): Promise<CampaignView> {
    const isRunning = campaign.state === 'running';
    const isOnline = dispatcher.isOnline(campaign.instanceId);
    const hold = !isRunning
      ? null
      : dispatcher.isBroken(campaign.instanceId)
        ? 'storage'
        : isOnline
          ? campaign.hold === 'disconnected'
            ? null
            : campaign.hold
          : 'disconnected';
    const holdUntil = hold === campaign.hold ? campaign.holdUntil : null;
    const number = await numbers.get(campaign.instanceId);
    const isDue = isRunning && isOnline && campaign.counts.queued > 0;
    const waits = isDue ? Math.max(number.nextSendAt, holdUntil ?? 0, clock.now()) : null;
    return {
      ...campaign,
      hold,
      holdUntil,
      counters: countersOf(campaign.counts),
      ratePerMinute: isRunning ? dispatcher.ratePerMinute(campaign.id) : 0,
      nextSendAt: campaign.state === 'scheduled' ? campaign.scheduleAt : waits,
      etaAt: await forecasts.etaAt(campaign, number),
    };
  }

  async function status(caller: Caller, id: string): Promise<CampaignView> {
    return view(await find(caller, id));
  }

  // ---- steering ----

  async function move(campaign: Campaign, name: MoveName, reason: 'user' | null = null): Promise<void> {
    await database.transaction((trx) => transitions.make(trx, name, campaign.id, reason));
    dispatcher.nudge(campaign.instanceId);
  }

  async function pause(caller: Caller, id: string): Promise<CampaignView> {
    const campaign = await find(caller, id);
    if (campaign.state === 'draft') throw new GatewayError('conflict', `Campaign ${id} has not been started`);
    refuseFinished(campaign, 'it cannot be paused');
    if (canMove('pause', campaign.state)) await move(campaign, 'pause', 'user');
    return status(caller, id);
  }

  async function resume(caller: Caller, id: string): Promise<CampaignView> {
    const campaign = await find(caller, id);
    refuseFinished(campaign, 'it cannot be resumed');
    if (campaign.endAt !== null && campaign.endAt <= clock.now())
      throw new GatewayError('conflict', `The end time of campaign ${id} is over`);
    if (campaign.state === 'draft') await move(campaign, beginning(campaign));
    if (campaign.state === 'paused') await move(campaign, beginning(campaign) === 'schedule' ? 'schedule' : 'resume');
    return status(caller, id);
  }

  async function cancel(caller: Caller, id: string): Promise<CampaignView> {
    const campaign = await find(caller, id);
    if (campaign.state !== 'cancelled') refuseFinished(campaign, 'it cannot be cancelled');
    if (canMove('cancel', campaign.state)) await move(campaign, 'cancel', 'user');
    await deps.sweep(id);
    return status(caller, id);
  }

  async function retryFailed(caller: Caller, id: string): Promise<{ retried: number; campaign: CampaignView }> {
    await deps.outbox.flush();
    const campaign = await find(caller, id);
    refuseEnded(campaign, 'nobody can be tried again');
    const retried = await deps.retries.failed(campaign.id);
    dispatcher.nudge(campaign.instanceId);
    return { retried, campaign: await status(caller, id) };
  }

  // ---- foreseeing ----

  async function simulate(_caller: Caller, input: Omit<CampaignInput, 'media' | 'start'>): Promise<CampaignSimulation> {
    const { campaign, intake, warnings } = check(input);
    const counted = await forecasts.count(input.recipients, intake);
    if (counted.total === 0) throw nobody(counted.given, intake);
    const number = await numbers.get(input.instance.id);
    const told = await forecasts.of({ ...campaign, lanes: counted.lanes, instance: input.instance, number });
    const { invalid: listed, invalidCount } = intake;
    return {
      ...told,
      warnings: [...warnings, ...told.warnings],
      total: counted.total,
      duplicates: counted.duplicates,
      invalid: listed,
      invalidCount,
    };
  }

  return {
    create,
    add,
    status,
    pause,
    resume,
    cancel,
    retryFailed,
    simulate,

    async list(caller, { state, before, limit }) {
      const { accountId, token } = caller;
      const rows = await store.list({
        accountId,
        instanceId: token.instanceId,
        state: state ?? null,
        before: before ?? null,
        limit,
      });
      return Promise.all(rows.map(view));
    },

    async recipients(caller, id, { state, after, limit }) {
      const campaign = await find(caller, id);
      return deps.recipients.page({ campaignId: campaign.id, state: state ?? null, after: after ?? null, limit });
    },

    async pacing(instance) {
      return pacingOf({ pacing: {} }, await numbers.get(instance.id), deps.basePacing);
    },

    async setPacing(instance, pacing) {
      checkPacing(pacing ?? {});
      await numbers.update(database.knex, instance.id, { pacing: pacing ?? {} });
      dispatcher.nudge(instance.id);
      const whole = { ...(deps.basePacing ?? defaultPacing), ...pacing };
      return { pacing: whole, warnings: pacingWarnings(whole) };
    },
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

function nobody(given: number, intake: Intake): GatewayError {
  const problem = given === 0 ? 'is empty' : 'holds no number that can be written to';
  return new GatewayError('invalid_input', `The list of recipients ${problem}`, {
    details: {
      recipients: problem,
      ...(given > 0 ? { invalid: intake.invalid, invalidCount: intake.invalidCount } : {}),
    },
  });
}

/** @throws GatewayError conflict when it has ended for good */
function refuseEnded({ id, state }: Campaign, consequence: string): void {
  if (state === 'cancelled' || state === 'failed')
    throw new GatewayError('conflict', `Campaign ${id} is ${state}: ${consequence}`);
}

/** @throws GatewayError conflict when it has ended in any way */
function refuseFinished(campaign: Campaign, consequence: string): void {
  refuseEnded(campaign, consequence);
  if (campaign.state === 'completed')
    throw new GatewayError('conflict', `Campaign ${campaign.id} is completed: ${consequence}`);
}
