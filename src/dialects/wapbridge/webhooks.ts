import type { CampaignPayload, GatewayEvent } from '../../model/events.ts';
import { isGroup } from '../../model/jid.ts';
import type { Message } from '../../model/message.ts';
import type { WebhookDialect, WebhookFacts } from '../../model/webhook.ts';
import { presentArrival } from './present-arrival.ts';
import { presentCounters } from './present-campaign.ts';
import { time } from './present.ts';

/**
 * The bodies of this API's webhooks. The inbound message is the source's example to the letter, with `event`, `sender_phone`,
 * `sender_name`, `chat_id` and `is_group` added beside it; the others are ours in the same style.
 */
const render = {
  'message.received': (_event, facts) => ({
    ...head(facts),
    ...presentArrival(need(facts.message), facts),
  }),
  'message.media': (_event, facts) => ({
    ...head(facts),
    ...presentArrival(need(facts.message), facts),
    event: 'message.media',
  }),
  'message.sent': (_event, facts) => ({
    ...head(facts),
    ...presentArrival(need(facts.message), facts),
    event: 'message.sent',
  }),
  'message.edited': ({ payload }, facts) => {
    const message = need(facts.message);
    return {
      ...head(facts),
      event: 'message.edited',
      message: { ...reference(message), body: payload.text, previous_body: payload.previousText },
      chat_id: message.chat,
      edited_at: time(payload.editedAt),
    };
  },
  'message.revoked': ({ payload }, facts) => {
    const message = need(facts.message);
    return {
      ...head(facts),
      event: 'message.revoked',
      message: reference(message),
      revoked_by: payload.by,
      ...who(payload),
      chat_id: message.chat,
      revoked_at: time(payload.revokedAt),
    };
  },
  'message.reaction': ({ payload }, facts) => {
    const message = need(facts.message);
    return {
      ...head(facts),
      event: 'message.reaction',
      message: reference(message),
      reaction: payload.emoji,
      previous_reaction: payload.previousEmoji,
      ...who(payload),
      from_me: payload.fromMe,
      chat_id: message.chat,
      reacted_at: time(payload.reactedAt),
    };
  },
  'message.status': (event, facts) => {
    const message = need(facts.message);
    return {
      ...head(facts),
      event: 'message.status',
      message: {
        id: message.waKey,
        to: message.chat,
        status: event.payload.state,
        ack: event.payload.ack,
        reason: event.payload.reason,
      },
      chat_id: message.chat,
      acked_at: time(message.ackedAt),
    };
  },
  'contact.typing': ({ payload, createdAt }, facts) => ({
    ...head(facts),
    event: 'contact.typing',
    state: payload.state,
    ...who(payload),
    chat_id: payload.chat,
    is_group: isGroup(payload.chat),
    timestamp: Math.floor(createdAt / 1000),
  }),
  'contact.presence': ({ payload, createdAt }, facts) => ({
    ...head(facts),
    event: 'contact.presence',
    state: payload.isAvailable ? 'online' : 'offline',
    ...who(payload),
    last_seen_at: time(payload.lastSeenAt),
    timestamp: Math.floor(createdAt / 1000),
  }),
  'contact.picture': ({ payload }, facts) => ({
    ...head(facts),
    event: 'contact.picture',
    chat_id: payload.chat,
    chat_phone: payload.phone,
    is_group: isGroup(payload.chat),
    removed: payload.pictureId === null,
    picture_id: payload.pictureId,
    author: payload.author,
    changed_at: time(payload.changedAt),
  }),
  'call.offered': ({ payload }, facts) => ({
    ...head(facts),
    event: 'call.offered',
    call_id: payload.callId,
    ...who(payload),
    is_video: payload.isVideo,
    is_group: payload.isGroup,
    group_id: payload.group,
    platform: payload.platform,
    offered_at: time(payload.offeredAt),
  }),
  'call.ended': ({ payload }, facts) => ({
    ...head(facts),
    event: 'call.ended',
    call_id: payload.callId,
    ...who(payload),
    reason: payload.reason,
    ended_at: time(payload.endedAt),
  }),
  'instance.passkey': ({ payload }, facts) => ({
    ...head(facts),
    event: 'instance.passkey',
    step: payload.step,
    options: payload.options,
    verification_code: payload.code,
    reason: payload.reason,
    expires_at: time(payload.expiresAt),
  }),
  'instance.offline_sync': ({ payload }, facts) => ({
    ...head(facts),
    event: 'instance.offline_sync',
    phase: payload.phase,
    total: payload.total,
    ...(payload.kinds && {
      messages: payload.kinds.messages,
      notifications: payload.kinds.notifications,
      receipts: payload.kinds.receipts,
      app_data_changes: payload.kinds.appData,
    }),
  }),
  'instance.status': (event, facts) => ({
    ...head(facts),
    event: 'instance.status',
    status: event.payload.state,
    reason: event.payload.reason,
    action: event.payload.code ?? null,
  }),
  'webhook.disabled': (event, facts) => ({
    ...head(facts),
    event: 'webhook.disabled',
    webhook_id: event.payload.endpointId,
    url: event.payload.url,
    reason: event.payload.reason,
  }),
  'campaign.started': campaign,
  'campaign.paused': campaign,
  'campaign.resumed': campaign,
  'campaign.completed': campaign,
  'campaign.cancelled': campaign,
  'campaign.failed': campaign,
  'campaign.recipient': ({ payload }, facts) => ({
    ...head(facts),
    event: 'campaign.recipient',
    campaign: payload.campaignId,
    recipient: {
      phone_number: payload.phone,
      status: payload.state,
      reason: payload.reason,
      message_id: payload.messageId,
    },
  }),
  'contact.opted_out': optOut,
  'contact.opted_in': optOut,
} satisfies WebhookDialect['render'];

/** This API's webhooks. A receiver knows their sender by `X-Wapbridge-Secret: <your-secret>` (seed 004). */
export const wapbridgeWebhooks: WebhookDialect = {
  render,
  headers: ({ secret }) => (secret === null || secret === '' ? {} : { 'x-wapbridge-secret': secret }),
};

function campaign(event: GatewayEvent, facts: WebhookFacts): object {
  const { campaignId, name, state, reason, counters } = event.payload as CampaignPayload;
  return {
    ...head(facts),
    event: event.type,
    campaign: campaignId,
    campaign_name: name,
    status: state,
    reason,
    counters: presentCounters(counters),
  };
}

function optOut(
  { type, payload }: GatewayEvent<'contact.opted_out' | 'contact.opted_in'>,
  facts: WebhookFacts,
): object {
  return { ...head(facts), event: type, sender_phone: payload.phone, source: payload.source };
}

function head({ instance, accountId }: WebhookFacts): object {
  return { instance_id: instance?.id ?? null, customer: accountId, phone_number: instance?.phone ?? null };
}

function who({ sender, senderPhone }: { sender: string | null; senderPhone: string | null }): object {
  return { sender, sender_phone: senderPhone };
}

/** What names a message in events about it. */
function reference(message: Message): object {
  return { id: message.waKey, fromMe: message.direction === 'out' };
}

function need(message: Message | undefined): Message {
  if (!message) throw new Error('the event names a message that is not there');
  return message;
}
