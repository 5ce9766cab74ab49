import type { CampaignPayload, GatewayEvent } from '../../model/events.ts';
import { type Content, type MediaContent, isMediaContent, textOf } from '../../model/content.ts';
import { isGroup } from '../../model/jid.ts';
import type { Instance } from '../../model/instance.ts';
import type { Message } from '../../model/message.ts';
import type { WebhookDialect, WebhookFacts } from '../../model/webhook.ts';
import { presentCounters } from './present-campaign.ts';
import { time } from './present.ts';

/**
 * The bodies of this API's webhooks. The inbound message is the source's example to the letter, with `event`, `sender_phone`,
 * `sender_name`, `chat_id` and `is_group` added beside it; the others are ours in the same style.
 */
const render = {
  'message.received': (_event, facts) => ({ ...head(facts), ...received(need(facts.message), facts) }),
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
  'instance.status': (event, facts) => ({
    ...head(facts),
    event: 'instance.status',
    status: event.payload.state,
    reason: event.payload.reason,
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

function head({ instance, customer }: WebhookFacts): object {
  return { instance_id: instance?.id ?? null, customer, phone_number: instance?.phone ?? null };
}

function received(message: Message, facts: WebhookFacts): object {
  const content = message.content;
  const group = isGroup(message.chat);
  return {
    message: {
      id: message.waKey,
      from: message.chat,
      to: ownAddress(facts.instance),
      ...(group && message.sender ? { author: message.sender } : {}),
      body: textOf(content),
      fromMe: false,
      timestamp: Math.floor((message.happenedAt ?? message.createdAt) / 1000),
      type: typeOf(content),
      hasMedia: isMediaContent(content),
      ...(isMediaContent(content) ? mediaFields(content, facts.media ?? null) : {}),
    },
    event: 'message.received',
    sender_phone: message.senderPhone,
    sender_name: message.senderName,
    chat_id: message.chat,
    is_group: group,
  };
}

function mediaFields(content: MediaContent, media: WebhookFacts['media']): object {
  const caption = content.caption === undefined ? {} : { caption: content.caption };
  if (!content.media || !media)
    return { ...caption, media: null, media_error: content.mediaError ?? 'The file is not there any more' };
  const { mimeType, filename } = content.media;
  const file = 'base64' in media ? { data: media.base64 } : { url: media.url };
  return { ...caption, media: { mimetype: mimeType, filename: filename ?? defaultName(content, mimeType), ...file } };
}

/** whatsapp-web.js's own names of message types, which the source uses. */
const typeNames: Record<string, string> = { text: 'chat', voice: 'ptt' };

function typeOf(content: Content): string {
  return content.type === 'other' ? content.kind : (typeNames[content.type] ?? content.type);
}

/** WhatsApp names documents only; the source shows `photo.jpg` for an image. */
function defaultName(content: MediaContent, mimeType: string): string {
  const subtype = (mimeType.split(';')[0]?.split('/')[1] ?? '').replace(/^x-/, '');
  const extension =
    {
      jpeg: 'jpg',
      mpeg: content.type === 'video' ? 'mpg' : 'mp3',
      plain: 'txt',
      'octet-stream': 'bin',
      quicktime: 'mov',
    }[subtype] ?? subtype;
  const name = content.type === 'image' ? 'photo' : content.type;
  return /^[\w-]{1,10}$/.test(extension) ? `${name}.${extension}` : name;
}

function ownAddress(instance: Instance | undefined): string | null {
  return instance?.phone ? `${instance.phone}@c.us` : null;
}

function need(message: Message | undefined): Message {
  if (!message) throw new Error('the event names a message that is not there');
  return message;
}
