import type { Knex } from 'knex';
import { type Campaign, type CampaignState, countersOf, type PauseReason } from '../../model/campaign.ts';
import { GatewayError } from '../../model/errors.ts';
import type { EventType, NewEvent } from '../../model/events.ts';
import type { Clock } from '../../model/time.ts';
import type { CampaignStore, StatePatch } from '../../store/campaigns.ts';
import type { Announcer } from '../announcer.ts';

type CampaignEvent = Extract<EventType, `campaign.${string}`>;

interface Move {
  from: readonly CampaignState[];
  to: CampaignState;
  event: Exclude<CampaignEvent, 'campaign.recipient'> | null;
}

const unfinished: readonly CampaignState[] = ['draft', 'scheduled', 'running', 'paused'];

/** Every way a campaign can go. A move from another state changes nothing, so that two callers cannot both make it. */
const moves = {
  start: { from: ['draft', 'scheduled'], to: 'running', event: 'campaign.started' },
  schedule: { from: ['draft', 'paused'], to: 'scheduled', event: null },
  pause: { from: ['running', 'scheduled'], to: 'paused', event: 'campaign.paused' },
  resume: { from: ['paused'], to: 'running', event: 'campaign.resumed' },
  reopen: { from: ['completed'], to: 'running', event: 'campaign.resumed' },
  complete: { from: ['running'], to: 'completed', event: 'campaign.completed' },
  cancel: { from: unfinished, to: 'cancelled', event: 'campaign.cancelled' },
  fail: { from: unfinished, to: 'failed', event: 'campaign.failed' },
} as const satisfies Record<string, Move>;

/** What can be done to a campaign's state. */
export type MoveName = keyof typeof moves;

/** Changes of a campaign's state, each with its event in the same transaction. */
export interface Transitions {
  /** Makes the move; false when the campaign is in no state that it starts from. */
  make(trx: Knex.Transaction, name: MoveName, id: string, reason?: PauseReason | null): Promise<boolean>;
}

/** Returns the state machine of campaigns. */
export function createTransitions(deps: { store: CampaignStore; announcer: Announcer; clock: Clock }): Transitions {
  const { store, announcer, clock } = deps;

  async function change(trx: Knex.Transaction, name: MoveName, id: string, patch: StatePatch): Promise<boolean> {
    if (name === 'complete') return store.complete(trx, id, clock.now());
    const { from, to } = moves[name];
    return store.move(trx, { id, from, to, ...patch });
  }

  return {
    async make(trx, name, id, reason = null) {
      const changed = await change(trx, name, id, {
        pauseReason: reason,
        hold: null,
        holdUntil: null,
        ...stamps(name, clock.now()),
      });
      const campaign = changed ? await store.byId(id, trx) : null;
      if (!campaign) return false;
      if (moves[name].to === 'running' && campaign.startedAt === null)
        await store.move(trx, { id, from: ['running'], to: 'running', startedAt: clock.now() });
      const { event } = moves[name];
      if (event) await announcer.enqueue(trx, [campaignEvent(event, campaign)]);
      return true;
    },
  };
}

/** Tells whether a move leads from this state. */
export function canMove(name: MoveName, state: CampaignState): boolean {
  return (moves[name].from as readonly CampaignState[]).includes(state);
}

/** Returns the move that starts a campaign: at once, or at its time. */
export function beginning({ scheduleAt }: Pick<Campaign, 'scheduleAt'>, now: number): 'schedule' | 'start' {
  return scheduleAt !== null && scheduleAt > now ? 'schedule' : 'start';
}

/** @throws GatewayError conflict when it has ended for good */
export function refuseEnded({ id, state }: Campaign, consequence: string): void {
  if (state === 'cancelled' || state === 'failed')
    throw new GatewayError('conflict', `Campaign ${id} is ${state}: ${consequence}`);
}

/** @throws GatewayError conflict when it has ended in any way */
export function refuseFinished(campaign: Campaign, consequence: string): void {
  refuseEnded(campaign, consequence);
  if (campaign.state === 'completed')
    throw new GatewayError('conflict', `Campaign ${campaign.id} is completed: ${consequence}`);
}

function stamps(name: MoveName, now: number): StatePatch {
  const { to } = moves[name];
  if (to === 'running') return { finishedAt: null, forgetErrors: true };
  return to === 'cancelled' || to === 'failed' ? { finishedAt: now } : {};
}

function campaignEvent(type: Exclude<CampaignEvent, 'campaign.recipient'>, campaign: Campaign): NewEvent {
  return {
    accountId: campaign.accountId,
    instanceId: campaign.instanceId,
    type,
    payload: {
      campaignId: campaign.id,
      name: campaign.name,
      state: campaign.state,
      reason: campaign.pauseReason,
      counters: countersOf(campaign.counts),
    },
    orderKey: campaign.id,
  };
}
