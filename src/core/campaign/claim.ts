import type { Knex } from 'knex';
import {
  type Campaign,
  type CampaignHold,
  defaultPacing,
  type Pacing,
  type RecipientState,
} from '../../model/campaign.ts';
import { isMediaContent, type OutgoingContent, textOf } from '../../model/content.ts';
import type { NewEvent } from '../../model/events.ts';
import type { Instance } from '../../model/instance.ts';
import { phoneJid } from '../../model/jid.ts';
import { type Message, priorities } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { CampaignLaneStore } from '../../store/campaign-lanes.ts';
import type { CampaignStore, CountDelta } from '../../store/campaigns.ts';
import type { Database } from '../../store/database.ts';
import type { MessageStore } from '../../store/messages.ts';
import type { NumberPacing, NumberStore, Objections } from '../../store/numbers.ts';
import type { QueuedRecipient, RecipientStore } from '../../store/recipients.ts';
import type { Announcer } from '../announcer.ts';
import { newOutgoing } from '../outgoing.ts';
import { daysLinked, type NumberClock } from './number-clock.ts';
import { breakAfter, breakMs, dayCap, gapMs } from './pacing.ts';
import { hashOf, type Texts } from './texts.ts';

/** What came of asking for the next message of a lane. */
export type Claim =
  /** Committed as `sending`: it must be handed to the page, or is looked up and sent after the next start. */
  | { result: 'claimed'; message: Message; nextSendAt: number }
  /** Recipients were passed over; there may be more. */
  | { result: 'skipped' }
  /** The lane has nobody left. */
  | { result: 'exhausted' }
  /** The number may not send before. */
  | { result: 'wait'; until: number }
  /** The number's last bulk message is still being sent. */
  | { result: 'busy' }
  | { result: 'held'; hold: CampaignHold; until: number }
  /** The campaign does not run any more. */
  | { result: 'stopped' };

/** Takes the next recipient of a lane, everything checked in the transaction that takes it. */
export interface Claims {
  claim(input: { campaign: Campaign; instance: Instance; lane: number }): Promise<Claim>;
}

interface ClaimDeps {
  database: Database;
  campaigns: CampaignStore;
  laneStore: CampaignLaneStore;
  recipients: RecipientStore;
  messages: MessageStore;
  numbers: NumberStore;
  announcer: Announcer;
  texts: Texts;
  numberClock: NumberClock;
  clock: Clock;
  random: () => number;
  newId: () => string;
}

const dayMs = 86_400_000;
/** How long WhatsApp's "no such number" is believed. */
export const checkDays = 30;
const sameTextMs = dayMs;
/** Recipients passed over in one transaction. */
const mostSkips = 200;
const longestText = 65_536;
const longestCaption = 4_096;

/** Returns the pacing of a campaign on a number: the campaign's word before the number's before the safe one. */
export function pacingOf(campaign: Pick<Campaign, 'pacing'>, number: Pick<NumberPacing, 'pacing'>): Pacing {
  return { ...defaultPacing, ...number.pacing, ...campaign.pacing };
}

/** Returns what takes recipients. */
export function createClaims(deps: ClaimDeps): Claims {
  const {
    database,
    campaigns,
    laneStore,
    recipients,
    messages,
    numbers,
    announcer,
    texts,
    numberClock,
    clock,
    random,
  } = deps;

  async function claim(input: { campaign: Campaign; instance: Instance; lane: number }): Promise<Claim> {
    try {
      return await database.transaction((trx) => inTransaction(trx, input));
    } catch (error) {
      if (error === notRunning) return { result: 'stopped' };
      throw error;
    }
  }

  async function inTransaction(
    trx: Knex.Transaction,
    { campaign, instance, lane }: { campaign: Campaign; instance: Instance; lane: number },
  ): Promise<Claim> {
    const now = clock.now();
    const number = await numbers.lock(trx, instance.id);
    if (number.nextSendAt > now) return { result: 'wait', until: number.nextSendAt };
    if (number.lastMessageId && (await messages.isSending(trx, number.lastMessageId))) return { result: 'busy' };

    const pacing = pacingOf(campaign, number);
    const { day, endsAt } = numberClock.day(instance, now);
    const today = await numbers.day(trx, instance.id, day);
    if (today.sent >= dayCap(pacing, daysLinked(number, now)))
      return { result: 'held', hold: 'daily_cap', until: endsAt };

    const cursor = await laneStore.lock(trx, campaign.id, lane);
    if (!cursor) return { result: 'exhausted' };
    const passed: CountDelta = {};
    for (let head = cursor.head, skips = 0; ; skips += 1) {
      if (skips === mostSkips) return pass({ result: 'skipped' });
      const recipient = await recipients.next(trx, { campaignId: campaign.id, lane, from: head, before: cursor.tail });
      if (!recipient) {
        head = cursor.tail;
        return pass({ result: 'exhausted' });
      }
      const content = texts.contentFor(campaign, recipient);
      const textHash = hashOf(content);
      const objections = await numbers.objections(trx, {
        ...about(campaign, recipient, textHash),
        checkedAfter: now - checkDays * dayMs,
        sentAfter: now - sameTextMs,
      });
      const skip = unsendable(content) ?? objectionTo(objections);
      if (skip) {
        await recipients.set(trx, recipient, { ...skip, now });
        await tell(trx, campaign, recipient, skip);
        passed[skip.state] = (passed[skip.state] ?? 0) + 1;
        head = recipient.seq + 1;
        continue;
      }
      if (objections.isNewChat) {
        if ((number.restrictedUntil ?? 0) > now)
          return pass({ result: 'held', hold: 'timelock', until: number.restrictedUntil! });
        if (today.newChats >= pacing.newChatCap) return pass({ result: 'held', hold: 'new_chat_cap', until: endsAt });
      }
      head = recipient.seq + 1;
      const message = newOutgoing({
        id: deps.newId(),
        instance,
        chat: phoneJid(recipient.phone),
        content,
        priority: priorities.bulk,
        state: 'sending',
        campaign: { campaignId: campaign.id, lane, seq: recipient.seq },
        now,
      });
      // In the order in which acks lock them: message, recipient, campaign.
      await messages.insert([message], trx);
      await recipients.set(trx, recipient, { state: 'sending', reason: null, messageId: message.id, now });
      passed.sending = 1;
      await numbers.writes(trx, { ...about(campaign, recipient, textHash), now });
      await numbers.addToDay(trx, instance.id, day, { sent: 1, newChats: objections.isNewChat ? 1 : 0 });
      const next = nextSend(number, pacing, now);
      await numbers.update(trx, instance.id, { ...next, lastMessageId: message.id });
      return pass({ result: 'claimed', message, nextSendAt: next.nextSendAt });

      /** Writes how far the lane has come and what became of those it passed. */
      async function pass(claimed: Claim): Promise<Claim> {
        if (head !== cursor!.head) await laneStore.setHead(trx, campaign.id, lane, head);
        const taken = Object.values(passed).reduce((sum, count) => sum + count, 0);
        if (!(await campaigns.count(trx, campaign.id, { ...passed, queued: -taken }, true))) throw notRunning;
        return claimed;
      }
    }
  }

  function nextSend(
    { sendsUntilBreak }: NumberPacing,
    pacing: Pacing,
    now: number,
  ): Pick<NumberPacing, 'nextSendAt' | 'sendsUntilBreak'> {
    const left = (sendsUntilBreak ?? breakAfter(pacing, random)) - 1;
    const rested = left > 0 ? left : breakAfter(pacing, random);
    return {
      nextSendAt: now + (left > 0 ? gapMs(pacing, random) : breakMs(pacing, random)),
      sendsUntilBreak: Number.isFinite(rested) ? rested : null,
    };
  }

  async function tell(
    trx: Knex.Transaction,
    campaign: Campaign,
    recipient: QueuedRecipient,
    { state, reason }: { state: RecipientState; reason: string },
  ): Promise<void> {
    if (!campaign.recipientEvents) return;
    await announcer.enqueue(trx, [
      recipientEvent(campaign, { phone: recipient.phone, state, reason, messageId: null }),
    ]);
  }

  return { claim };
}

/** Rolls back a claim whose campaign was paused or ended meanwhile. */
const notRunning = new Error('the campaign does not run any more');

function about(campaign: Campaign, { phone }: QueuedRecipient, textHash: string) {
  return {
    accountId: campaign.accountId,
    instanceId: campaign.instanceId,
    campaignId: campaign.id,
    phone,
    textHash,
  };
}

function objectionTo(objections: Objections): { state: RecipientState; reason: string } | null {
  if (objections.optedOut) return { state: 'opted_out', reason: 'opted_out' };
  if (objections.notOnWhatsApp) return { state: 'invalid_number', reason: 'not_on_whatsapp' };
  if (objections.hadSameText) return { state: 'duplicate', reason: 'same_text_within_24h' };
  return null;
}

function unsendable(content: OutgoingContent): { state: RecipientState; reason: string } | null {
  const text = textOf(content);
  if (!isMediaContent(content) && text.trim() === '') return { state: 'failed', reason: 'empty_text' };
  const longest = isMediaContent(content) ? longestCaption : longestText;
  return text.length > longest ? { state: 'failed', reason: 'text_too_long' } : null;
}

/** Returns the event of a recipient's result. */
export function recipientEvent(
  campaign: Pick<Campaign, 'id' | 'accountId' | 'instanceId'>,
  result: { phone: string; state: RecipientState; reason: string | null; messageId: string | null },
): NewEvent<'campaign.recipient'> {
  return {
    accountId: campaign.accountId,
    instanceId: campaign.instanceId,
    type: 'campaign.recipient',
    payload: { campaignId: campaign.id, ...result },
    orderKey: `${campaign.id}/${result.phone}`,
  };
}
