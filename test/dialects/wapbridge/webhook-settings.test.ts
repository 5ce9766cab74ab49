import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Bed, openBed } from '../../support/bed.ts';
import { openSqlite } from '../../support/database.ts';
import type { TestGateway } from '../../support/gateway.ts';
import type { Receiver } from '../../support/receiver.ts';

let bed: Bed;
let gateway: TestGateway;
let receiver: Receiver;

beforeEach(async () => {
  bed = await openBed(openSqlite);
  ({ gateway, receiver } = bed);
});
afterEach(() => bed?.close());

const call = async (name: string, body: Record<string, unknown> = {}) => {
  const { status, json } = await gateway.call(`wap_bridge.api.settings.${name}`, body);
  return { status, ...json.message, json };
};

it('makes, lists, changes, tests and removes webhooks', async () => {
  const made = await call('create_webhook', {
    url: receiver.url,
    title: 'Desk',
    secret: 's3cret',
    events: ['instance.status'],
    headers: '{"X-Site": "erp"}',
    ordered: 1 === 1,
  });
  expect(made).toMatchObject({
    ok: true,
    url: receiver.url,
    title: 'Desk',
    events: ['instance.status'],
    headers: ['x-site'],
    ordered: true,
    enabled: true,
    default: false,
    has_secret: true,
  });
  const { webhook_id } = made;
  const { webhooks } = await call('list_webhooks');
  expect(webhooks).toHaveLength(1);
  expect(JSON.stringify(webhooks)).not.toContain('s3cret');

  const tested = await call('test_webhook', { webhook_id });
  expect(tested).toMatchObject({ ok: true, delivered: true, http_status: 200, response: 'ok' });
  expect(receiver.requests[0]?.headers).toMatchObject({ 'x-site': 'erp', 'x-wapbridge-secret': 's3cret' });
  expect(tested.sent).toMatchObject({
    event: 'message.received',
    message: { body: 'This is a test of your webhook.' },
  });

  expect(await call('update_webhook', { webhook_id, enabled: false })).toMatchObject({
    enabled: false,
    url: receiver.url,
    disabled_reason: 'Disabled by its owner',
  });
  expect(await call('update_webhook', { webhook_id, url: 'http://10.0.0.1/' })).toMatchObject({ status: 417 });
  expect(await call('delete_webhook', { webhook_id })).toMatchObject({ ok: true });
  expect((await call('list_webhooks')).webhooks).toEqual([]);
  expect(await call('delete_webhook', { webhook_id })).toMatchObject({ status: 404 });
});

it.each(['create_webhook', 'set_webhook'])('%s takes events as one text with commas', async (method) => {
  const made = (events: unknown) => call(method, { url: receiver.url, events });
  expect(await made('message.received, Message.Status,')).toMatchObject({
    events: ['message.received', 'message.status'],
  });
  expect(await made('message.received,all')).toMatchObject({ events: ['*'] });
  const refused = await made('message.received,nothing');
  expect(refused.status).toBe(417);
  expect(JSON.stringify(refused.json)).toContain('There is no event nothing: choose from');
  expect((await made(' , ')).status).toBe(417);
});

it('sets, shows and takes back when a webhook is tried again', async () => {
  const { webhook_id, retry_seconds } = await call('create_webhook', { url: receiver.url });
  expect(retry_seconds).toBeNull();
  const shown = async () => (await call('list_webhooks')).webhooks[0].retry_seconds;
  for (const [given, kept] of [
    [
      [5, 300, 86_400],
      [5, 300, 86_400],
    ],
    ['[1, "20"]', [1, 20]],
    ['7', [7]],
    ['', [7]],
    [[], []],
    [null, null],
  ]) {
    expect(await call('update_webhook', { webhook_id, retry_seconds: given })).toMatchObject({ retry_seconds: kept });
    expect(await shown()).toEqual(kept);
  }
  expect(await call('create_webhook', { url: receiver.url, retry_seconds: [9] })).toMatchObject({ retry_seconds: [9] });
  const { entries } = (await gateway.call('wap_bridge.api.settings.list_audit', { action: 'webhook.updated' })).json
    .message;
  expect(entries.map(({ changes }: { changes: object }) => changes).slice(0, 2)).toEqual([
    { retry_seconds: { from: [] } },
    { retry_seconds: { from: [7], to: [] } },
  ]);
});

it.each([
  [[0], 'retry_seconds.0'],
  [[5, 86_401], 'retry_seconds.1'],
  [[5, 1.5], 'retry_seconds.1'],
  [['soon'], 'retry_seconds.0'],
  ['5,300', 'retry_seconds'],
  [Array.from({ length: 21 }, () => 5), 'retry_seconds'],
  [Array.from({ length: 20 }, () => 86_400), 'retry_seconds'],
  [{ first: 5 }, 'retry_seconds'],
])('refuses the retries %j and names %s', async (retry_seconds, name) => {
  const { status, json } = await call('create_webhook', { url: receiver.url, retry_seconds });
  expect(status).toBe(417);
  expect(Object.keys(json.fields)).toEqual([name]);
  expect((await call('list_webhooks')).webhooks).toEqual([]);
});

it('lists what was delivered and sends it again', async () => {
  const { webhook_id } = await call('create_webhook', { url: receiver.url, events: ['instance.status'] });
  const { core } = gateway.app;
  const { id: accountId } = await core.accounts.first();
  const since = new Date(Date.now() - 1000).toISOString();
  await bed.db.database.transaction((trx) =>
    core.webhooks.enqueue(trx, [
      {
        accountId,
        instanceId: null,
        type: 'instance.status',
        payload: { state: 'ready', reason: null },
        orderKey: 'a',
      },
    ]),
  );
  await receiver.received(1);
  await expect
    .poll(async () => (await call('list_webhook_deliveries', { webhook_id })).deliveries)
    .toMatchObject([{ status: 'delivered', event: 'instance.status', attempts: 1, webhook_id }]);
  const { deliveries } = await call('list_webhook_deliveries', { status: 'delivered', since });
  const [{ delivery_id, message_id }] = deliveries;
  expect((await call('list_webhook_attempts', { delivery_id })).attempts).toMatchObject([
    { attempt: 1, http_status: 200, error: null, response: 'ok' },
  ]);
  expect((await call('list_webhook_attempts', { delivery_id, failed: true })).attempts).toEqual([]);
  for (const name of ['deliveries', 'attempts']) {
    expect((await call(`list_webhook_${name}`, { event: 'instance.status' }))[name]).toHaveLength(1);
    expect((await call(`list_webhook_${name}`, { event: ['message.status'] }))[name]).toEqual([]);
  }
  expect(await call('resend_webhook_delivery', { delivery_id })).toMatchObject({ ok: true, delivery_id });
  await receiver.received(2);
  expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([message_id, message_id]);
  await expect
    .poll(async () => (await call('list_webhook_deliveries', { status: ['delivered'] })).deliveries)
    .toHaveLength(1);
  expect(await call('replay_webhook', { webhook_id, since, what: 'all' })).toMatchObject({ queued: 1, more: false });
  await receiver.received(3);
});

it.each([
  ['create_webhook', { url: 'http://169.254.169.254/' }, 417],
  ['create_webhook', { url: 'http://127.0.0.1:9999/', dialect: 'none' }, 417],
  ['create_webhook', { url: 'http://127.0.0.1:9999/', headers: { host: 'x' } }, 417],
  ['create_webhook', { url: 'http://127.0.0.1:9999/', instance_id: 'INST-01-0000009' }, 404],
  ['update_webhook', { enabled: true }, 417],
  ['test_webhook', { webhook_id: 'NONE' }, 404],
  ['list_webhook_deliveries', { since: 'yesterday' }, 417],
  ['list_webhook_attempts', { event: 'message.eaten' }, 417],
  ['list_webhook_deliveries', { status: 'eaten' }, 417],
  ['resend_webhook_delivery', { delivery_id: 'NONE' }, 404],
  ['replay_webhook', { webhook_id: 'NONE', since: '2026-11-20' }, 404],
])('refuses %s of %j', async (name, body, status) => {
  expect((await call(name, body)).status).toBe(status);
});

it('has a field of the answer for nothing but its meaning: a wrong status is named under fields', async () => {
  const { json } = await gateway.call('wap_bridge.api.settings.list_webhook_deliveries', { status: 'eaten' });
  expect(json.fields.status).toContain('must be one of');
  expect(json).not.toHaveProperty('status');
});

it('pages through history from any time that the other lists understand', async () => {
  const { webhook_id } = await call('create_webhook', { url: receiver.url, events: ['instance.status'] });
  const { core } = gateway.app;
  const { id: accountId } = await core.accounts.first();
  const event = (orderKey: string) => ({
    accountId,
    instanceId: null,
    type: 'instance.status' as const,
    payload: { state: 'ready' as const, reason: null },
    orderKey,
  });
  await bed.db.database.transaction((trx) => core.webhooks.enqueue(trx, [event('a'), event('b')]));
  await receiver.received(2);
  const aMinuteAgo = Math.floor(Date.now() / 1000) - 60;
  for (const [name, id] of [
    ['deliveries', 'delivery_id'],
    ['attempts', 'attempt_id'],
  ] as const) {
    const page = (more: object) => call(`list_webhook_${name}`, { webhook_id, since: aMinuteAgo, ...more });
    await expect.poll(async () => (await page({}))[name]).toHaveLength(2);
    const first = await page({ limit: 1 });
    expect(first.next).toBe(first[name][0][id]);
    const second = await page({ limit: 1, before: first.next });
    expect(second[name][0][id]).not.toBe(first.next);
    expect((await page({})).next).toBeNull();
    expect((await page({ since: '2099-01-01 00:00:00' }))[name]).toEqual([]);
  }
  expect(await call('replay_webhook', { webhook_id, since: aMinuteAgo, what: 'all' })).toMatchObject({ queued: 2 });
});
