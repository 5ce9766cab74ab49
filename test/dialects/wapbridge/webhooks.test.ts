import { describe, expect, it } from 'vitest';
import { wapbridgeWebhooks } from '../../../src/dialects/wapbridge/webhooks.ts';
import type { Content } from '../../../src/model/content.ts';
import type { EventPayloads, EventType, GatewayEvent } from '../../../src/model/events.ts';
import { parseAddress } from '../../../src/model/phone.ts';
import type { Message } from '../../../src/model/message.ts';
import type { WebhookFacts } from '../../../src/model/webhook.ts';
import { buildInstance, buildMessage } from '../fake-core.ts';

const jid = (text: string) => parseAddress(text, null);
const instance = buildInstance({ phone: '255757197676' });

function event<T extends EventType>(type: T, payload: EventPayloads[T]): GatewayEvent<T> {
  return { id: '01JF', accountId: 'CUST-0143', instanceId: instance.id, type, payload, orderKey: 'x', createdAt: 1 };
}

function inbound(content: Content, fields: Partial<Message> = {}): Message {
  return buildMessage({
    direction: 'in',
    waId: 'A586DC71E697153420998E09871EA237',
    waKey: 'false_120542636048510@lid_A586DC71E697153420998E09871EA237',
    chat: jid('120542636048510@lid'),
    sender: jid('120542636048510@lid'),
    senderPhone: '255755123456',
    senderName: 'Asha',
    content,
    state: 'received',
    happenedAt: 1_767_791_640_000,
    ...fields,
  });
}

function received(message: Message, media?: WebhookFacts['media']): Record<string, unknown> {
  const body = wapbridgeWebhooks.render['message.received']?.(event('message.received', { messageId: message.id }), {
    message,
    instance,
    accountId: 'CUST-0143',
    ...(media !== undefined && { media }),
  });
  return body as Record<string, unknown>;
}

const photo = { mediaId: 'M1', mimeType: 'image/jpeg', filename: 'photo.jpg', sizeBytes: 3 };

describe('message.received', () => {
  it('is the source’s example, with our fields beside it', () => {
    const body = received(inbound({ type: 'image', media: photo, caption: 'Sawa' }), { base64: '<base64>' });
    expect(JSON.parse(JSON.stringify(body))).toEqual({
      instance_id: 'INST-01-0000142',
      customer: 'CUST-0143',
      phone_number: '255757197676',
      message: {
        id: 'false_120542636048510@lid_A586DC71E697153420998E09871EA237',
        from: '120542636048510@lid',
        to: '255757197676@c.us',
        body: 'Sawa',
        fromMe: false,
        timestamp: 1767791640,
        type: 'image',
        hasMedia: true,
        caption: 'Sawa',
        media: { mimetype: 'image/jpeg', filename: 'photo.jpg', data: '<base64>' },
      },
      event: 'message.received',
      sender_phone: '255755123456',
      sender_name: 'Asha',
      chat_id: '120542636048510@lid',
      is_group: false,
    });
  });

  it('keeps the order of the source’s keys', () => {
    const body = received(inbound({ type: 'image', media: photo, caption: 'Sawa' }), { base64: 'AAAA' });
    expect(Object.keys(body).slice(0, 4)).toEqual(['instance_id', 'customer', 'phone_number', 'message']);
    expect(Object.keys(body.message as object)).toEqual([
      'id',
      'from',
      'to',
      'body',
      'fromMe',
      'timestamp',
      'type',
      'hasMedia',
      'caption',
      'media',
    ]);
  });

  it.each([
    [{ type: 'text', text: 'Sawa' }, 'chat', 'Sawa', false],
    [{ type: 'voice' }, 'ptt', '', true],
    [{ type: 'document' }, 'document', '', true],
    [{ type: 'other', kind: 'location', text: 'Dar' }, 'location', 'Dar', false],
    [{ type: 'other', kind: 'call_log' }, 'call_log', '', false],
  ] as [Content, string, string, boolean][])('calls %j by whatsapp-web.js’s name', (content, type, text, hasMedia) => {
    expect(received(inbound(content)).message).toMatchObject({ type, body: text, hasMedia });
  });

  it('names the group and who wrote in it', () => {
    const body = received(
      inbound({ type: 'text', text: 'Hi' }, { chat: jid('120363041234567890@g.us'), sender: jid('255755123456@c.us') }),
    );
    expect(body).toMatchObject({
      chat_id: '120363041234567890@g.us',
      is_group: true,
      message: { from: '120363041234567890@g.us', author: '255755123456@c.us' },
    });
  });

  it('links to a file that is too large to carry', () => {
    expect(received(inbound({ type: 'image', media: photo }), { url: 'https://gw/media/M1' }).message).toMatchObject({
      media: { mimetype: 'image/jpeg', filename: 'photo.jpg', url: 'https://gw/media/M1' },
    });
  });

  it.each([
    ['image', 'image/jpeg', 'photo.jpg'],
    ['voice', 'audio/ogg; codecs=opus', 'voice.ogg'],
    ['video', 'video/mp4', 'video.mp4'],
    ['document', 'application/vnd.oasis.opendocument.text', 'document'],
  ] as const)('names a nameless %s', (type, mimeType, filename) => {
    const body = received(inbound({ type, media: { mediaId: 'M', mimeType, sizeBytes: 1 } }), { base64: 'AA==' });
    expect(body.message).toMatchObject({ media: { filename } });
  });

  it('says why there is no file', () => {
    expect(received(inbound({ type: 'image', mediaError: 'expired on WhatsApp' })).message).toMatchObject({
      hasMedia: true,
      media: null,
      media_error: 'expired on WhatsApp',
    });
    expect(received(inbound({ type: 'image', media: photo }), null).message).toMatchObject({ media: null });
  });
});

describe('the events of ours', () => {
  it('tell how far a message has come', () => {
    const message = buildMessage({ ackedAt: 1_767_791_640_000 });
    const body = wapbridgeWebhooks.render['message.status']?.(
      event('message.status', { messageId: message.id, state: 'delivered', ack: 2, reason: null }),
      { message, instance, accountId: 'CUST-0143' },
    );
    expect(body).toEqual({
      instance_id: 'INST-01-0000142',
      customer: 'CUST-0143',
      phone_number: '255757197676',
      event: 'message.status',
      message: { id: message.waKey, to: '255755123456@c.us', status: 'delivered', ack: 2, reason: null },
      chat_id: '255755123456@c.us',
      acked_at: '2026-01-07T13:14:00.000Z',
    });
  });

  it('tell of an instance’s state', () => {
    const body = wapbridgeWebhooks.render['instance.status']?.(
      event('instance.status', { state: 'logged_out', reason: 'unlinked on the phone' }),
      { instance, accountId: 'CUST-0143' },
    );
    expect(body).toMatchObject({
      event: 'instance.status',
      status: 'logged_out',
      reason: 'unlinked on the phone',
      instance_id: 'INST-01-0000142',
    });
  });
});

describe('campaigns', () => {
  const head = { instance_id: 'INST-01-0000142', customer: 'CUST-0143', phone_number: '255757197676' };
  const counters = {
    total: 10,
    queued: 4,
    sending: 1,
    sent: 3,
    delivered: 2,
    read: 1,
    failed: 1,
    skipped: 1,
    uncertain: 0,
    cancelled: 0,
  };

  it.each(['started', 'paused', 'resumed', 'completed', 'cancelled', 'failed'] as const)('tell that one %s', (what) => {
    const type = `campaign.${what}` as const;
    const payload = { campaignId: 'WAP-CAM-0001', name: 'Promo', state: 'paused', reason: 'user', counters } as const;
    const body = wapbridgeWebhooks.render[type]?.(event(type, payload) as never, { instance, accountId: 'CUST-0143' });
    expect(body).toEqual({
      ...head,
      event: type,
      campaign: 'WAP-CAM-0001',
      campaign_name: 'Promo',
      status: 'paused',
      reason: 'user',
      counters,
    });
  });

  it('tell what became of a recipient', () => {
    const payload = {
      campaignId: 'WAP-CAM-0001',
      phone: '255757111111',
      state: 'failed',
      reason: 'x',
      messageId: 'M',
    } as const;
    const facts = { instance, accountId: 'CUST-0143' };
    expect(wapbridgeWebhooks.render['campaign.recipient']?.(event('campaign.recipient', payload), facts)).toEqual({
      ...head,
      event: 'campaign.recipient',
      campaign: 'WAP-CAM-0001',
      recipient: { phone_number: '255757111111', status: 'failed', reason: 'x', message_id: 'M' },
    });
  });

  it('tell who opted out', () => {
    const facts = { instance, accountId: 'CUST-0143' };
    const payload = { phone: '255757111111', source: 'STOP' };
    expect(wapbridgeWebhooks.render['contact.opted_out']?.(event('contact.opted_out', payload), facts)).toEqual({
      ...head,
      event: 'contact.opted_out',
      sender_phone: '255757111111',
      source: 'STOP',
    });
  });
});

describe('the secret', () => {
  it('travels in X-Wapbridge-Secret when there is one', () => {
    expect(wapbridgeWebhooks.headers({ secret: 's3cret', body: '{}' })).toEqual({ 'x-wapbridge-secret': 's3cret' });
    expect(wapbridgeWebhooks.headers({ secret: null, body: '{}' })).toEqual({});
  });
});
