import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { priorities } from '../../../src/model/message.ts';
import { HttpError, type SmsParameter, type SmsSettings, createSmsSettings } from '../../support/sms-settings.ts';
import { buildInstance, credentials } from '../fake-core.ts';
import { type TestGateway, request, rpc, startGateway, tokenOf } from '../gateway.ts';

const method = 'wap_bridge.api.whatsapp.erpnext_notification_gateway';
const pair = `${credentials.send.key}:${credentials.send.secret}`;
const authorization: SmsParameter = { parameter: 'Authorization', value: `token ${pair}`, header: true };
const instance: SmsParameter = { parameter: 'instance_id', value: 'INST-01-0000142' };
const versions = [13, 14, 15, 16] as const;
const note = 'Hi *you*\nà 5%';

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

function settings(fields: Partial<SmsSettings>): ReturnType<typeof createSmsSettings> {
  return createSmsSettings({
    version: 15,
    gatewayUrl: `${gateway.url}/api/method/${method}`,
    messageParameter: 'message',
    receiverParameter: 'to_number',
    usePost: true,
    parameters: [authorization, instance],
    ...fields,
  });
}

const contentType = (value: string, name = 'Content-Type'): SmsParameter => ({ parameter: name, value, header: true });

/** frappe-wire 2.2: use_post, the Content-Type header parameter, and what then goes over the wire. */
const variants = [
  {
    name: 'POST as a form',
    usePost: true,
    header: null,
    wire: {
      method: 'POST',
      body: /^message=Hi\+%2Ayou%2A%0A%C3%A0\+5%25&instance_id=INST-01-0000142&to_number=%2B255757123456$/,
    },
  },
  { name: 'GET with everything in the query', usePost: false, header: null, wire: { method: 'GET', body: /^$/ } },
  {
    name: 'POST as JSON',
    usePost: true,
    header: contentType('application/json'),
    wire: { method: 'POST', body: /^\{"message": "Hi \*you\*\\n\\u00e0 5%", "instance_id"/ },
  },
  {
    name: 'GET with a JSON body',
    usePost: false,
    header: contentType('application/json'),
    wire: { method: 'GET', body: /^\{"message": / },
  },
];

describe.each(versions)('SMS Settings of Frappe %i', (version) => {
  it.each(variants)('reaches WhatsApp by $name', async ({ usePost, header, wire }) => {
    const sms = settings({
      version,
      usePost,
      parameters: header ? [authorization, header, instance] : [authorization, instance],
    });
    expect(await sms.sendSms(['+255 757-123 (456)'], note)).toEqual(['+255757123456']);
    expect(sms.calls[0]).toMatchObject({ method: wire.method, body: expect.stringMatching(wire.body), status: 200 });
    expect(gateway.core.sent).toEqual([
      {
        instanceId: 'INST-01-0000142',
        to: '255757123456@c.us',
        content: { type: 'text', text: note },
        priority: priorities.interactive,
        waitMs: 0,
        queueUnlinked: true,
      },
    ]);
  });

  it.each([
    ['application/json; charset=utf-8', 'Content-Type'],
    ['application/json', 'content-type'],
  ])('reaches WhatsApp by a form labelled %s in the header %s', async (value, name) => {
    const sms = settings({ version, parameters: [authorization, contentType(value, name), instance] });
    await sms.sendSms(['+255757123456'], note);
    const labelledForm = version < 16 || value !== 'application/json';
    expect(sms.calls[0]?.body).toMatch(labelledForm ? /^message=Hi\+/ : /^\{"message"/);
    expect(gateway.core.sent[0]?.content).toEqual({ type: 'text', text: note });
  });

  it.each([
    ['a form', null],
    ['a form labelled JSON', contentType('application/json')],
  ])('delivers the OTP of a two-factor login before everything else, sent as %s', async (_name, header) => {
    const sms = settings({
      version,
      parameters: header ? [authorization, header, instance] : [authorization, instance],
    });
    await sms.sendOtp('+255 757 123 456', '123456');
    expect(sms.calls[0]?.body).toContain('Authorization=token+sendkey');
    expect(gateway.core.sent[0]).toMatchObject({
      to: '255757123456@c.us',
      content: { text: 'Your verification code is 123456' },
      priority: priorities.otp,
    });
    expect(JSON.stringify(gateway.logLines())).not.toContain(credentials.send.secret);
  });

  it('serves a list of receivers one after another, and the gateway never asks for patience', async () => {
    const receivers = Array.from({ length: 150 }, (_, index) => `+2557571${String(index).padStart(5, '0')}`);
    expect(await settings({ version }).sendSms(receivers, 'Stock is low')).toHaveLength(150);
    expect(gateway.core.sent.map(({ to }) => to)).toEqual(receivers.map((receiver) => `${receiver.slice(1)}@c.us`));
  });

  it('ends the list at a malformed number, unless on_error=accept', async () => {
    const list = ['+255757123456', '12', '+255757123457'];
    await expect(settings({ version }).sendSms(list, 'Hi')).rejects.toThrow(HttpError);
    expect(gateway.core.sent).toHaveLength(1);

    gateway.core.sent.length = 0;
    const parameters = [authorization, instance, { parameter: 'on_error', value: 'accept' }];
    expect(await settings({ version, parameters }).sendSms(list, 'Hi')).toHaveLength(3);
    expect(gateway.core.sent).toHaveLength(2);
  });
});

describe('erpnext_notification_gateway', () => {
  const call = (body: object, token: keyof typeof credentials = 'send') => rpc(gateway, method, body, { token });

  it('answers what the source shows', async () => {
    const reply = await call({ message: 'Hi', to_number: '+255757123456' });
    expect(reply.body.ok).toBe(true);
    expect(reply.body.service).toEqual({ ok: true, id: expect.stringMatching(/^true_255757123456@c\.us_3EB0/) });
    expect(reply.body.message.service).toEqual(reply.body.service);
  });

  it.each(['qr', 'disconnected', 'logged_out', 'stopped'] as const)(
    'queues while the instance is %s',
    async (state) => {
      gateway.core.instanceRows[0]!.state = state;
      const reply = await call({ message: 'Hi', to_number: '+255757123456' });
      expect(reply.status).toBe(200);
      expect(reply.body.status).toBe('queued');
    },
  );

  it.each([
    ['to', 'text'],
    ['phone', 'msg'],
    ['mobile', 'body'],
    ['receiver', 'message'],
  ])('knows the receiver as %s and the text as %s', async (receiver, message) => {
    expect((await call({ [message]: 'Hi', [receiver]: '+255757123456' })).status).toBe(200);
    expect(gateway.core.sent[0]).toMatchObject({ to: '255757123456@c.us', content: { text: 'Hi' } });
  });

  it('takes the instance by its number too', async () => {
    expect((await call({ message: 'Hi', to_number: '+255757123456', from_number: '255 700 000 000' })).status).toBe(
      200,
    );
  });

  it.each([
    ['757123456,0757999888', undefined, ['255757123456@c.us', '255757999888@c.us']],
    ['+255757123456 / +255757123456', undefined, ['255757123456@c.us']],
    ['0412 345 678', 'au', ['61412345678@c.us']],
    ['tel:+255.757.123.456', undefined, ['255757123456@c.us']],
    ['\u202A+255757123456\u202C', undefined, ['255757123456@c.us']],
    ['٠٧٥٧١٢٣٤٥٦', undefined, ['255757123456@c.us']],
    ['00255757123456', undefined, ['255757123456@c.us']],
    ['+44 (0)7911 123456', undefined, ['447911123456@c.us']],
    ['120363041234567890@g.us', undefined, ['120363041234567890@g.us']],
    ['120542636048510@lid', undefined, ['120542636048510@lid']],
    ['255757123456@s.whatsapp.net', undefined, ['255757123456@c.us']],
  ])('reads the receiver %s', async (to_number, country, expected) => {
    const reply = await call({ message: 'Hi', to_number, ...(country && { country }) });
    expect(reply.status).toBe(200);
    expect(gateway.core.sent.map(({ to }) => to)).toEqual(expected);
    expect(reply.body.ids?.length ?? 1).toBe(expected.length);
  });

  it('sends to nobody when one of several numbers is malformed', async () => {
    const reply = await call({ message: 'Hi', to_number: '+255757123456, 12' });
    expect(reply.status).toBe(417);
    expect(reply.body.exc_type).toBe('InvalidPhoneNumberError');
    expect(gateway.core.sent).toHaveLength(0);
  });

  it.each([
    ['an empty message', { message: '', to_number: '+255757123456' }, 417, 'MandatoryError'],
    ['a message that is only markup', { message: '<p><br></p>', to_number: '+255757123456' }, 417, 'MandatoryError'],
    ['no receiver', { message: 'Hi' }, 417, 'MandatoryError'],
    ['a malformed number', { message: 'Hi', to_number: 'abc' }, 417, 'InvalidPhoneNumberError'],
    ['a number too short', { message: 'Hi', to_number: '123456' }, 417, 'InvalidPhoneNumberError'],
    ['a number too long', { message: 'Hi', to_number: '+2557571234567890123' }, 417, 'InvalidPhoneNumberError'],
    [
      'an unknown instance',
      { message: 'Hi', to_number: '+255757123456', instance_id: 'INST-09-0000001' },
      404,
      'DoesNotExistError',
    ],
    ['a ttl that is no number', { message: 'Hi', to_number: '+255757123456', ttl: 'soon' }, 417, 'ValidationError'],
  ])('refuses %s', async (_case, body, status, type) => {
    const reply = await call(body);
    expect([reply.status, reply.body.exc_type]).toEqual([status, type]);
  });

  it('accepts a bad number with on_error=accept and says so in the body', async () => {
    const reply = await call({ message: 'Hi', to_number: '12', on_error: 'accept' });
    expect(reply.status).toBe(200);
    expect(reply.body).toMatchObject({ ok: false, status: 'failed', reason: 'invalid_number' });
  });

  it('does not accept a wrong token or an unknown instance, whatever on_error says', async () => {
    const body = { message: 'Hi', to_number: '+255757123456', on_error: 'accept' };
    expect((await call(body, 'revoked')).status).toBe(401);
    expect((await call({ ...body, instance_id: 'INST-09-0000001' })).status).toBe(404);
  });

  it('names the choices when the instance is left out and several match', async () => {
    gateway.core.instanceRows.push(buildInstance({ id: 'INST-02-0000143', phone: '255700000001' }));
    const reply = await call({ message: 'Hi', to_number: '+255757123456' });
    expect(reply.status).toBe(417);
    expect(reply.body.choices).toEqual(['INST-01-0000142', 'INST-02-0000143']);
    expect((await call({ message: 'Hi', to_number: '+255757123456' }, 'bound')).status).toBe(200);
  });

  it('hands on the time to live', async () => {
    await call({ message: 'Hi', to_number: '+255757123456', ttl: '300' });
    expect(gateway.core.sent[0]?.ttlSeconds).toBe(300);
  });

  it('turns HTML of Frappe 13 to 15 into WhatsApp markup', async () => {
    await call({ message: '<p>Dear <b>Ann</b>,<br>your order is <i>ready</i>.</p>', to_number: '+255757123456' });
    expect(gateway.core.sent[0]?.content).toEqual({ type: 'text', text: 'Dear *Ann*,\nyour order is _ready_.' });
  });

  it('ignores unknown parameters, and an Authorization among them: the header alone counts', async () => {
    const form = new URLSearchParams({
      message: 'Hi',
      to_number: '+255757123456',
      Authorization: tokenOf('send'),
      sender: 'ERP',
      priority: '9',
    });
    const url = `${gateway.url}/api/method/${method}`;
    expect(
      (await request(url, { method: 'POST', body: form, headers: { Authorization: tokenOf('send') } })).status,
    ).toBe(200);
    expect((await request(url, { method: 'POST', body: form })).status).toBe(403);
  });

  it('keeps texts, numbers and secrets out of the log', async () => {
    const query = new URLSearchParams({
      message: 'Top secret',
      to_number: '+255757123456',
      Authorization: tokenOf('send'),
    });
    await request(`${gateway.url}/api/method/${method}?${query.toString()}`, {
      headers: { Authorization: tokenOf('send') },
    });
    const log = JSON.stringify(gateway.logLines());
    expect(log).toContain(method);
    expect(log).not.toMatch(/Top|255757123456|send-secret/);
  });
});
