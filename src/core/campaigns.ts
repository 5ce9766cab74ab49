import type { AuditAction } from '../model/audit.ts';
import {
  type Campaign,
  type CampaignForecast,
  type CampaignReceipt,
  type CampaignRecipient,
  type CampaignState,
  type CampaignView,
  countersOf,
  defaultPacing,
  type Pacing,
  type RecipientState,
} from '../model/campaign.ts';
import { GatewayError } from '../model/errors.ts';
import type { Instance } from '../model/instance.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { CampaignStore } from '../store/campaigns.ts';
import type { Database } from '../store/database.ts';
import type { NumberStore } from '../store/numbers.ts';
import type { RecipientCursor, RecipientStore } from '../store/recipients.ts';
import { pacingOf } from './campaign/claim.ts';
import type { Dispatcher } from './campaign/dispatcher.ts';
import type { Forecasts } from './campaign/forecasts.ts';
import { type CampaignChecks, type CampaignInput, checkPacing, nobody } from './campaign/input.ts';
import type { AddInput, CampaignMaking } from './campaign/making.ts';
import { pacingWarnings } from './campaign/pacing.ts';
import type { Retries } from './campaign/retries.ts';
import {
  beginning,
  canMove,
  type MoveName,
  refuseEnded,
  refuseFinished,
  type Transitions,
} from './campaign/transitions.ts';
import { type Audit, changesBetween } from './audit.ts';
import type { Outbox } from './outbox.ts';

/** The use cases of campaigns. Every call sees only what its caller may see; every change may be asked for twice. */
export interface Campaigns {
  /** Makes a campaign with all its recipients, or nothing. @throws GatewayError invalid_input | invalid_media | too_large | … */
  create(caller: Caller, input: CampaignInput): Promise<CampaignReceipt>;
  /** Adds recipients, all or none; a completed campaign goes on with them. @throws GatewayError not_found | conflict | invalid_input */
  add(caller: Caller, id: string, input: AddInput): Promise<CampaignReceipt>;
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
  setPacing(
    caller: Caller,
    instance: Instance,
    pacing: Partial<Pacing> | null,
  ): Promise<{ pacing: Pacing; warnings: string[] }>;
}

/** How a campaign would go, without making it. */
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
  checks: CampaignChecks;
  making: CampaignMaking;
  retries: Retries;
  transitions: Transitions;
  dispatcher: Dispatcher;
  forecasts: Forecasts;
  outbox: Pick<Outbox, 'flush'>;
  audit: Pick<Audit, 'record'>;
  /** Cancels what is left of an ended campaign. */
  sweep(id: string): Promise<void>;
  clock: Clock;
}

/** What callers may do to a campaign, and how it is written down. */
const steering = {
  start: 'campaign.resumed',
  schedule: 'campaign.resumed',
  resume: 'campaign.resumed',
  pause: 'campaign.paused',
  cancel: 'campaign.cancelled',
} as const satisfies Partial<Record<MoveName, AuditAction>>;
type SteeringMove = keyof typeof steering;

/** Returns the use cases of campaigns. */
export function createCampaigns(deps: CampaignsDeps): Campaigns {
  const { database, store, numbers, checks, making, transitions, dispatcher, forecasts, clock } = deps;

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
    const obstacle = dispatcher.obstacle(campaign.instanceId);
    // What the row says of an obstacle may be over.
    const own = campaign.hold === 'disconnected' || campaign.hold === 'catching_up' ? null : campaign.hold;
    const hold = isRunning ? (obstacle ?? own) : null;
    const holdUntil = hold === campaign.hold ? campaign.holdUntil : null;
    const number = await numbers.get(campaign.instanceId);
    const isDue = isRunning && (obstacle === null || obstacle === 'storage') && campaign.counts.queued > 0;
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

  /** Makes a move that somebody asks for, and writes down who. */
  async function move(caller: Caller, campaign: Campaign, name: SteeringMove): Promise<void> {
    const { id, instanceId, name: title } = campaign;
    await database.transaction(async (trx) => {
      const reason = name === 'pause' || name === 'cancel' ? 'user' : null;
      if (!(await transitions.make(trx, name, id, reason))) return;
      await deps.audit.record(
        caller,
        { action: steering[name], subject: id, instanceId, changes: { name: { to: title } } },
        trx,
      );
    });
    dispatcher.nudge(campaign.instanceId);
  }

  async function pause(caller: Caller, id: string): Promise<CampaignView> {
    const campaign = await find(caller, id);
    if (campaign.state === 'draft') throw new GatewayError('conflict', `Campaign ${id} has not been started`);
    refuseFinished(campaign, 'it cannot be paused');
    if (canMove('pause', campaign.state)) await move(caller, campaign, 'pause');
    return status(caller, id);
  }

  async function resume(caller: Caller, id: string): Promise<CampaignView> {
    const campaign = await find(caller, id);
    refuseFinished(campaign, 'it cannot be resumed');
    if (campaign.endAt !== null && campaign.endAt <= clock.now())
      throw new GatewayError('conflict', `The end time of campaign ${id} is over`);
    if (campaign.state === 'draft') await move(caller, campaign, beginning(campaign, clock.now()));
    if (campaign.state === 'paused')
      await move(caller, campaign, beginning(campaign, clock.now()) === 'schedule' ? 'schedule' : 'resume');
    return status(caller, id);
  }

  async function cancel(caller: Caller, id: string): Promise<CampaignView> {
    const campaign = await find(caller, id);
    if (campaign.state !== 'cancelled') refuseFinished(campaign, 'it cannot be cancelled');
    if (canMove('cancel', campaign.state)) await move(caller, campaign, 'cancel');
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
    const { campaign, intake, warnings } = checks.check(input);
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
    create: (_caller, input) => making.create(input),
    add: async (caller, id, input) => making.add(await find(caller, id), input),
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
      return pacingOf({ pacing: {} }, await numbers.get(instance.id));
    },

    async setPacing(caller, instance, pacing) {
      checkPacing(pacing ?? {});
      const before = pacingOf({ pacing: {} }, await numbers.get(instance.id));
      await database.transaction(async (trx) => {
        await numbers.update(trx, instance.id, { pacing: pacing ?? {} });
        const changes = changesBetween({ ...before }, { ...defaultPacing, ...pacing });
        await deps.audit.record(
          caller,
          { action: 'pacing.changed', subject: instance.id, instanceId: instance.id, changes },
          trx,
        );
      });
      dispatcher.nudge(instance.id);
      const whole = { ...defaultPacing, ...pacing };
      return { pacing: whole, warnings: pacingWarnings(whole) };
    },
  };
}
