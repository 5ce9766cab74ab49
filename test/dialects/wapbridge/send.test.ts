import { priorities } from '../../../src/model/message.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GatewayError } from '../../../src/model/errors.ts';
import { buildInstance } from '../fake-core.ts';
import { type TestGateway, request, rpc, startGateway, tokenOf } from '../gateway.ts';

const send = 'wap_bridge.api.whatsapp.send_api_message';
const text = { from_number: '+255700000000', to_number: '+255755123456', message: 'Hello from WapBridge' };

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

describe('send_api_message', () => {
  it('answers the documented keys at the top level and the same object under message', async () => {
    const reply = await rpc(gateway, send, text);
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toMatch(/^application\/json/);
    expect(reply.body).toMatchObject({ ok: true, service: { ok: true }, status: 'accepted' });
    expect(reply.body.service.id).toMatch(/^true_255755123456@c\.us_3EB0[0-9A-F]{18}$/);
    const { message, ...top } = reply.body;
    expect(message).toEqual(top);
  });

  it('hands the core the instance of from_number, the text, and how long to wait', async () => {
    await rpc(gateway, send, text);
    expect(gateway.core.sent).toEqual([
      {
        instanceId: 'INST-01-0000142',
        to: '+255755123456',
        content: { type: 'text', text: 'Hello from WapBridge' },
        priority: 1,
        waitMs: 15_000,
      },
    ]);
  });

  it('sends a file with caption, type and name as the source shows', async () => {
    const file = {
      caption: 'Invoice attached',
      media_data: 'JVBERi0xLjQ=',
      mime_type: 'application/pdf',
      filename: 'invoice.pdf',
    };
    const reply = await rpc(gateway, send, { from_number: text.from_number, to_number: text.to_number, ...file });
    expect(reply.status).toBe(200);
    expect(gateway.core.sent[0]?.content).toEqual({
      type: 'media',
      source: { base64: 'JVBERi0xLjQ=' },
      mimeType: 'application/pdf',
      filename: 'invoice.pdf',
      caption: 'Invoice attached',
    });
  });

  it('takes a file by address, with message as its caption', async () => {
    await rpc(gateway, send, { ...text, media_url: 'https://example.com/a.png' });
    expect(gateway.core.sent[0]?.content).toEqual({
      type: 'media',
      source: { url: 'https://example.com/a.png' },
      caption: 'Hello from WapBridge',
    });
  });

  it('takes a file in a multipart form', async () => {
    const form = new FormData();
    form.set('to_number', '+255755123456');
    form.set('message', 'Stück');
    form.set('file', new File([new Uint8Array([0xff, 0xd8, 0xff, 0])], 'Foto 1.jpg', { type: 'image/jpeg' }));
    const reply = await request(`${gateway.url}/api/method/${send}`, {
      method: 'POST',
      headers: { Authorization: tokenOf('full') },
      body: form,
    });
    expect(reply.status).toBe(200);
    expect(gateway.core.sent[0]?.content).toEqual({
      type: 'media',
      source: { base64: '/9j/AA==' },
      mimeType: 'image/jpeg',
      filename: 'Foto 1.jpg',
      caption: 'Stück',
    });
  });

  it('answers queued with the final id while the instance reconnects', async () => {
    await gateway.close();
    gateway = await startGateway({ instances: [buildInstance({ state: 'disconnected' })] });
    const reply = await rpc(gateway, send, text);
    expect(reply.status).toBe(200);
    expect(reply.body).toMatchObject({
      ok: true,
      service: { ok: true, id: expect.stringContaining('true_') },
      status: 'queued',
    });
  });

  it('takes numbers as JSON numbers and drops fields it does not know', async () => {
    const reply = await rpc(gateway, send, {
      from_number: 255700000000,
      to_number: 255755123456,
      message: 'Hi',
      sent_by: { a: 1 },
    });
    expect(reply.status).toBe(200);
    expect(gateway.core.sent[0]?.to).toBe('255755123456');
  });

  it.each([
    ['no message', { to_number: '+255755123456' }, 417, 'MandatoryError', /message is required/],
    ['an empty message', { ...text, message: ' ' }, 417, 'MandatoryError', /message is required/],
    ['no receiver', { message: 'Hi' }, 417, 'MandatoryError', /to_number is required/],
    [
      'a receiver of the wrong type',
      { ...text, to_number: { a: 1 } },
      417,
      'ValidationError',
      /to_number must be a string/,
    ],
    [
      'an impossible number',
      { ...text, to_number: '12' },
      417,
      'InvalidPhoneNumberError',
      /12 is not a valid phone number/,
    ],
    [
      'a number that is not on WhatsApp',
      { ...text, to_number: '+255999000111' },
      417,
      'ValidationError',
      /\+255999000111 is not on WhatsApp/,
    ],
    ['base64 that is not base64', { ...text, media_data: '***' }, 417, 'ValidationError', /not base64/],
    [
      'a file given twice',
      { ...text, media_data: 'AAAA', media_url: 'https://example.com/a' },
      417,
      'ValidationError',
      /once/,
    ],
    ['a country that is none', { ...text, country: 'XX' }, 417, 'ValidationError', /country must be an ISO code/],
    ['a from_number of nobody', { ...text, from_number: '+255711111111' }, 404, 'DoesNotExistError', /\+255711111111/],
    [
      'an instance that does not exist',
      { ...text, instance_id: 'INST-09-0000009' },
      404,
      'DoesNotExistError',
      /INST-09-0000009/,
    ],
  ])('refuses %s, naming it', async (_case, body, status, type, message) => {
    const reply = await rpc(gateway, send, body);
    expect(reply.status).toBe(status);
    expect(reply.body.exc_type).toBe(type);
    expect(reply.body.message).toMatch(message);
    expect(gateway.core.sent).toHaveLength(0);
  });

  it('answers 417 naming the choices when several instances match', async () => {
    await gateway.close();
    gateway = await startGateway({
      instances: [buildInstance(), buildInstance({ id: 'INST-02-0000143', phone: '255700000001' })],
    });
    const { from_number: _, ...body } = text;
    const reply = await rpc(gateway, send, body);
    expect(reply.status).toBe(417);
    expect(reply.body.message).toContain('INST-01-0000142');
    expect(reply.body.choices).toEqual(['INST-01-0000142', 'INST-02-0000143']);
    expect((await rpc(gateway, send, body, { token: 'bound' })).status).toBe(200);
  });

  it('never lets a token reach the instance of another account', async () => {
    const reply = await rpc(gateway, send, { ...text, instance_id: 'INST-01-0000142' }, { token: 'other' });
    expect(reply.status).toBe(404);
    expect(reply.body.exc_type).toBe('DoesNotExistError');
  });

  it.each([
    [
      'rejected by WhatsApp',
      new GatewayError('send_failed', 'WhatsApp did not accept the message'),
      417,
      'ValidationError',
    ],
    ['an unreachable address', new GatewayError('fetch_failed'), 417, 'ValidationError'],
    ['a private address', new GatewayError('blocked_address'), 417, 'ValidationError'],
    ['a closing gateway', new GatewayError('unavailable'), 503, 'SessionStopped'],
    ['a feature WhatsApp Web has not', new GatewayError('not_supported'), 501, 'NotImplementedError'],
    ['a bug', new TypeError('Cannot read secrets of undefined'), 500, 'Exception'],
  ])('answers %s in the envelope', async (_case, error, status, type) => {
    gateway.core.failWith = error;
    const reply = await rpc(gateway, send, text);
    expect(reply.status).toBe(status);
    expect(reply.body.exc_type).toBe(type);
    expect(reply.text).not.toContain('secrets');
    expect(reply.text).not.toMatch(/\.(ts|js):\d/);
  });
});

describe('when and before whom a message goes', () => {
  it.each([
    ['an offset', '2099-01-02T09:00:00+05:30', Date.UTC(2099, 0, 2, 3, 30)],
    ['Frappe’s form, by the clock of the number’s country', '2099-01-02 09:00:00', Date.UTC(2099, 0, 2, 6)],
    ['a date alone', '2099-01-02', Date.UTC(2099, 0, 1, 21)],
    ['the microseconds of Python’s isoformat', '2099-01-02T09:00:00.250999', Date.UTC(2099, 0, 2, 6, 0, 0, 250)],
    ['the end of a day', '2099-01-02T24:00', Date.UTC(2099, 0, 2, 21)],
    ['Unix seconds', 4_070_908_800, 4_070_908_800_000],
    ['Unix ms as text', '4070908800123', 4_070_908_800_123],
  ])('reads send_at with %s', async (_name, sendAt, expected) => {
    await rpc(gateway, send, { ...text, send_at: sendAt });
    expect(gateway.core.sent[0]).toMatchObject({ sendAt: expected });
  });

  it.each([
    'tomorrow',
    '2099-13-45 09:00',
    '09:00',
    '-1',
    // Date.parse knows all of these, as another day or by the clock of the machine.
    '2099-02-30 09:00:00',
    '2099-02-29T09:00:00+03:00',
    '2099-1-2 9:00',
    '2099-12-01 junk',
    '2099-12',
  ])('names send_at when it is %s', async (sendAt) => {
    const reply = await rpc(gateway, send, { ...text, send_at: sendAt });
    expect(reply).toMatchObject({ status: 417, body: { fields: { send_at: expect.stringContaining('send_at') } } });
    expect(gateway.core.sent).toEqual([]);
  });

  it.each([
    ['high', priorities.otp],
    ['Normal', priorities.interactive],
    ['low', priorities.bulk],
    ['', priorities.interactive],
  ])('takes the priority %s', async (priority, expected) => {
    await rpc(gateway, send, { ...text, priority });
    expect(gateway.core.sent[0]).toMatchObject({ priority: expected });
  });

  it('refuses a priority it does not know', async () => {
    expect((await rpc(gateway, send, { ...text, priority: 'urgent' })).body.fields.priority).toContain('high');
  });

  it.each([
    [0, 0],
    [2.5, 2_500],
    [60, 15_000],
    ['', 15_000],
  ])('waits %s seconds, but not longer than the gateway allows', async (wait, waitMs) => {
    await rpc(gateway, send, { ...text, wait });
    expect(gateway.core.sent[0]).toMatchObject({ waitMs });
  });

  it('is read by the ERPNext endpoint too, where a priority of another gateway means nothing', async () => {
    const sms = 'wap_bridge.api.whatsapp.erpnext_notification_gateway';
    const form = { message: 'Hi', to_number: '+255757123456', send_at: '2099-01-02 09:00:00', ttl: 60 };
    await rpc(gateway, sms, { ...form, priority: 'low' });
    await rpc(gateway, sms, { ...form, priority: 9, message: 'Your verification code is 123456' });
    expect(gateway.core.sent).toMatchObject([
      { sendAt: Date.UTC(2099, 0, 2, 6), ttlSeconds: 60, priority: priorities.bulk },
      { sendAt: Date.UTC(2099, 0, 2, 6), priority: priorities.otp },
    ]);
  });
});

describe('Idempotency-Key', () => {
  it('gives the first answer again for the same body, in whatever order its fields come', async () => {
    const headers = { 'Idempotency-Key': 'order-1' };
    const first = await rpc(gateway, send, text, { headers });
    const again = await rpc(
      gateway,
      send,
      { message: text.message, to_number: text.to_number, from_number: text.from_number },
      { headers },
    );
    expect(again.body.service.id).toBe(first.body.service.id);
    expect(gateway.core.sent).toHaveLength(1);
  });

  it('answers 409 when the key comes with another body', async () => {
    const headers = { 'Idempotency-Key': 'order-2' };
    await rpc(gateway, send, text, { headers });
    const reply = await rpc(gateway, send, { ...text, message: 'Other' }, { headers });
    expect(reply.status).toBe(409);
    expect(reply.body.exc_type).toBe('DuplicateEntryError');
  });

  it('refuses a key longer than 180 characters', async () => {
    const reply = await rpc(gateway, send, text, { headers: { 'Idempotency-Key': 'k'.repeat(181) } });
    expect(reply.status).toBe(417);
  });
});
