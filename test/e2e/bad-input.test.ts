import { afterAll, beforeAll, expect, it } from 'vitest';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { until } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const own = '255757000001';
const friend = '255757123456';
const send = 'wap_bridge.api.whatsapp.send_api_message';
const sms = 'wap_bridge.api.whatsapp.erpnext_notification_gateway';

forEachDatabase((open) => {
  let opened: TestDatabase;
  let gateway: TestGateway;
  let instanceId: string;
  const text = { from_number: own, to_number: friend, message: 'hi' };

  beforeAll(async () => {
    opened = await open();
    gateway = await startGateway(opened.url, {
      BODY_MAX_BYTES: String(4 * 1024 * 1024),
      MEDIA_MAX_BYTES: String(1024 * 1024),
    });
    instanceId = await gateway.link(own);
  });

  afterAll(async () => {
    await gateway?.stop();
    await opened?.drop();
  });

  it.each<[string, string, Record<string, unknown>, number, string]>([
    ['an empty message', send, { ...text, message: '' }, 417, 'message'],
    ['an impossible number', send, { ...text, to_number: '12' }, 417, '12 is not a valid phone number'],
    ['a number that is not on WhatsApp', send, { ...text, to_number: '999757123456@c.us' }, 417, 'is not on WhatsApp'],
    ['an unknown sender', send, { ...text, from_number: '255757888888' }, 404, '255757888888'],
    [
      'an unknown instance',
      sms,
      { ...text, from_number: undefined, instance_id: 'INST-01-9999999' },
      404,
      'INST-01-9999999',
    ],
    [
      'base64 that is none',
      send,
      { ...text, message: undefined, media_data: 'not base64!', mime_type: 'image/png' },
      417,
      'base64',
    ],
    [
      'a file that is not what it says',
      send,
      {
        ...text,
        message: undefined,
        media_data: Buffer.from('MZ not a picture').toString('base64'),
        mime_type: 'image/png',
      },
      417,
      'image/png',
    ],
    [
      'a file that is too large',
      send,
      {
        ...text,
        message: undefined,
        media_data: Buffer.alloc(1_100_000, 1).toString('base64'),
        mime_type: 'application/octet-stream',
      },
      413,
      'larger',
    ],
    [
      'a file at a private address',
      send,
      { ...text, message: undefined, media_url: 'http://10.0.0.1/invoice.pdf' },
      417,
      'address',
    ],
    [
      'a file at a metadata service',
      send,
      { ...text, message: undefined, media_url: 'http://169.254.169.254/latest/meta-data' },
      417,
      'address',
    ],
    [
      'a webhook at a private address',
      'wap_bridge.api.settings.set_webhook',
      { url: 'http://192.168.1.1/hook' },
      417,
      'address',
    ],
    ['a webhook that is no address', 'wap_bridge.api.settings.set_webhook', { url: 'ftp://example.com' }, 417, 'http'],
    ['an unknown method', 'wap_bridge.api.whatsapp.nothing', {}, 417, 'Failed to get method'],
    [
      'a pairing code for a linked instance',
      'wap_bridge.api.instances.request_pairing_code',
      { instance_id: 'INST', phone_number: own },
      404,
      'INST',
    ],
  ])('answers %s in words, in Frappe’s envelope', async (_, method, body, status, words) => {
    const answer = await gateway.call(method, body);
    expect(answer.json.message).toContain(words);
    expect(answer.status).toBe(status);
    expect(answer.json.exc_type).toMatch(/^\w+$/);
    expect(JSON.parse(answer.json.exc)).toHaveLength(1);
  });

  it('does not post webhooks to itself, though its network is allowed', async () => {
    const { status, json } = await gateway.call('wap_bridge.api.settings.set_webhook', {
      url: `${gateway.app.url}/api/method/ping`,
    });
    expect(status).toBe(417);
    expect(json.message).toContain('address');
  });

  it('does not take a wrong, a missing, or a revoked token', async () => {
    const { app } = gateway;
    const { id } = await app.core.accounts.first();
    const made = await app.core.tokens.create({ accountId: id, title: 'short-lived', scope: 'full' });
    const call = (authorization?: string) =>
      gateway.call(send, text, authorization === undefined ? {} : { Authorization: authorization });
    expect((await call('token nobody:nothing')).status).toBe(401);
    expect((await gateway.call(send, text, { Authorization: '' })).status).toBe(403);
    expect((await call(`token ${made.token.key}:${made.secret}`)).status).toBe(200);
    await app.core.tokens.revoke(id, made.token.key);
    expect((await call(`token ${made.token.key}:${made.secret}`)).status).toBe(401);
  });

  it('lets a send token send, and nothing else; a bound token reaches its instance only', async () => {
    const { core } = gateway.app;
    const { id } = await core.accounts.first();
    const sender = await core.tokens.create({ accountId: id, title: 'erpnext', scope: 'send', instanceId });
    const headers = { Authorization: `token ${sender.token.key}:${sender.secret}` };
    expect((await gateway.call(sms, { to_number: friend, message: 'allowed' }, headers)).status).toBe(200);
    expect((await gateway.call('wap_bridge.api.instances.logout', { instance_id: instanceId }, headers)).status).toBe(
      403,
    );
    const other = await gateway.call('wap_bridge.api.instances.create_instance', {});
    expect(
      (
        await gateway.call(
          sms,
          { to_number: friend, message: 'not mine', instance_id: other.json.instance_id },
          headers,
        )
      ).status,
    ).toBe(404);
    const ambiguous = await gateway.call(sms, { to_number: friend, message: 'which?' });
    expect(ambiguous.status).toBe(417);
    expect(ambiguous.json.message).toContain(instanceId);
    await gateway.call('wap_bridge.api.instances.delete_instance', { instance_id: other.json.instance_id });
  });

  it('refuses a body that is too large and goes on serving', async () => {
    const answer = await gateway.call(send, { ...text, media_data: 'A'.repeat(5 * 1024 * 1024) }).catch(() => null);
    if (answer) expect(answer).toMatchObject({ status: 413, json: { exc_type: expect.any(String) } });
    expect((await gateway.call('ping')).json.message).toBe('pong');
  });

  it('serves 100 calls at once, each once', async () => {
    const texts = Array.from({ length: 100 }, (_, index) => `parallel ${index}`);
    const answers = await Promise.all(texts.map((message) => gateway.call(send, { ...text, message })));
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(100);
    expect(new Set(answers.map((answer) => answer.json.service.id)).size).toBe(100);
    const arrived = () =>
      gateway.app
        .sandbox!.network.messages({ phone: friend })
        .filter((message) => message.text?.startsWith('parallel '));
    await until('all have arrived', () => arrived().length >= 100);
    expect(new Set(arrived().map((message) => message.text)).size).toBe(100);
    expect(arrived()).toHaveLength(100);
  });

  it('answers the same to the same Idempotency-Key and sends once', async () => {
    const headers = { 'Idempotency-Key': 'order-4711' };
    const body = { ...text, message: 'only once' };
    const answers = await Promise.all([1, 2, 3].map(() => gateway.call(send, body, headers)));
    expect(new Set(answers.map((answer) => answer.json.service.id)).size).toBe(1);
    expect((await gateway.call(send, { ...body, message: 'something else' }, headers)).status).toBe(409);
    await until('it has arrived', () =>
      gateway.app.sandbox!.network.messages({ phone: friend }).some((message) => message.text === 'only once'),
    );
    expect(
      gateway.app.sandbox!.network.messages({ phone: friend }).filter((message) => message.text === 'only once'),
    ).toHaveLength(1);
  });

  it('refuses a second gateway on the same data folder', async () => {
    const config = readConfig({
      PORT: '0',
      DATA_DIR: gateway.dataDir,
      DATABASE_URL: opened.url,
      SANDBOX: 'true',
      LOG_LEVEL: 'silent',
      CHROMIUM_PATH: process.env.CHROMIUM_PATH ?? '',
    });
    await expect(createApp({ config, log: createLog('silent') })).rejects.toThrow(/uses the data folder/);
    expect((await gateway.call('ping')).status).toBe(200);
  });

  it('queues what ERPNext sends while the instance is offline, and tells an API caller that it is', async () => {
    await gateway.call('wap_bridge.api.instances.disconnect', { instance_id: instanceId });
    const queued = await gateway.call(sms, { to_number: friend, message: 'for later', instance_id: instanceId });
    expect(queued.json).toMatchObject({ ok: true, status: 'queued' });
    const refused = await gateway.call(send, text);
    expect(refused.status).toBe(417);
    expect(refused.json.message).toContain('is not connected to WhatsApp (it is stopped)');
    const { json } = await gateway.call('wap_bridge.api.whatsapp.message_status', { id: queued.json.service.id });
    expect(json.status).toBe('queued');
  });
});
