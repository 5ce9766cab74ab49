import type { Knex } from 'knex';
import type { Campaign, PauseReason, RecipientState } from '../../model/campaign.ts';
import type { OutgoingContent } from '../../model/content.ts';
import type { NewEvent } from '../../model/events.ts';
import { jidPhone } from '../../model/jid.ts';
import type { CampaignSlot, Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { CampaignStore, CountDelta } from '../../store/campaigns.ts';
import type { NumberStore } from '../../store/numbers.ts';
import type { RecipientStore } from '../../store/recipients.ts';
import type { Announcer } from '../announcer.ts';
import { recipientEvent } from './claim.ts';
import { hashOf } from './texts.ts';
import type { Transitions } from './transitions.ts';

/** Carries what becomes of messages over to recipients and counters, in the transaction that changes the messages. */
export interface Results {
  /** Takes messages that changed; those of no campaign are passed over. */
  changed(trx: Knex.Transaction, messages: readonly Message[]): Promise<void>;
}

interface ResultDeps {
  campaigns: CampaignStore;
  recipients: RecipientStore;
  numbers: NumberStore;
  transitions: Transitions;
  announcer: Announcer;
  clock: Clock;
}

type CampaignMessage = Message & { campaign: CampaignSlot };

/** Three failures in a row, or more than a tenth of the last fifty, and a person should look. */
const worstStreak = 3;
const worstOfRecent = 5;
const recentEnough = 50;

/** Returns what follows messages. */
export function createResults(deps: ResultDeps): Results {
  const { campaigns, recipients, numbers, transitions, announcer, clock } = deps;

  async function changed(trx: Knex.Transaction, messages: readonly Message[]): Promise<void> {
    const byCampaign = new Map<string, CampaignMessage[]>();
    for (const message of messages) {
      if (!message.campaign) continue;
      const { campaignId } = message.campaign;
      byCampaign.set(campaignId, [...(byCampaign.get(campaignId) ?? []), message as CampaignMessage]);
    }
    for (const [id, rows] of byCampaign) await campaignChanged(trx, id, rows);
  }

  async function campaignChanged(trx: Knex.Transaction, id: string, messages: CampaignMessage[]): Promise<void> {
    const delta: CountDelta = {};
    const events: NewEvent[] = [];
    let outcomes = '';
    let pause: PauseReason | null = null;
    let campaign: Campaign | null = null;
    for (const message of messages) {
      const to = stateOf(message);
      const recipient = to ? await recipients.lock(trx, message.campaign) : null;
      // A recipient that was queued again has another message by now: the old one's acks are not its own.
      if (!to || !recipient || recipient.messageId !== message.id || recipient.state === to) continue;
      await recipients.set(trx, message.campaign, { state: to, reason: message.reason, now: clock.now() });
      delta[recipient.state] = (delta[recipient.state] ?? 0) - 1;
      delta[to] = (delta[to] ?? 0) + 1;
      outcomes += outcomeOf(recipient.state, to);
      if (message.reason === 'media_missing') pause = 'media_missing';
      if (to === 'failed' || to === 'invalid_number') await forget(trx, message, to);
      campaign ??= await campaigns.byId(id, trx);
      if (campaign?.recipientEvents)
        events.push(
          recipientEvent(campaign, {
            phone: recipient.phone,
            state: to,
            reason: message.reason,
            messageId: message.id,
          }),
        );
    }
    await campaigns.count(trx, id, delta);
    await announcer.enqueue(trx, events);
    if (outcomes === '') return;
    await campaigns.remember(trx, id, outcomes);
    if (outcomes.includes('1') && !pause && isTooBad(await campaigns.errors(trx, id))) pause = 'repeated_errors';
    if (pause) await transitions.make(trx, 'pause', id, pause);
  }

  async function forget(trx: Knex.Transaction, message: CampaignMessage, state: RecipientState): Promise<void> {
    const phone = jidPhone(message.chat);
    if (!phone) return;
    const textHash = hashOf(message.content as OutgoingContent);
    await numbers.unwrites(trx, { accountId: message.accountId, phone, textHash });
    if (state === 'invalid_number') await numbers.checked(trx, phone, false, clock.now());
  }

  return { changed };
}

function stateOf(message: Message): RecipientState | null {
  if (message.state === 'failed') return message.reason === 'not_on_whatsapp' ? 'invalid_number' : 'failed';
  return (states as Partial<Record<string, RecipientState>>)[message.state] ?? null;
}

const states = {
  accepted: 'accepted',
  sent: 'sent',
  delivered: 'delivered',
  read: 'read',
  uncertain: 'uncertain',
  cancelled: 'cancelled',
} as const;

/** `1` a failure, `0` a first success, nothing when it is the same success going on. A wrong number is the list's fault, not the link's. */
function outcomeOf(from: RecipientState, to: RecipientState): string {
  if (to === 'failed' || to === 'uncertain') return '1';
  return from === 'sending' && to !== 'invalid_number' ? '0' : '';
}

function isTooBad({ streak, recent }: { streak: number; recent: string }): boolean {
  const failures = recent.split('1').length - 1;
  return streak >= worstStreak || (recent.length >= recentEnough && failures > worstOfRecent);
}
