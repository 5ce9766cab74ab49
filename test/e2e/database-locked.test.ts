import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type Database } from '../../src/store/database.ts';
import { until } from '../support/clock.ts';
import { openSqlite, type TestDatabase } from '../support/database.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const own = '255757000001';
const friend = '255757123456';
const databaseTimeoutMs = 1_000;
/** A call waits half as long again, and a busy machine adds to that. */
const boundMs = databaseTimeoutMs * 1.5 + 3_000;

let opened: TestDatabase;
let gateway: TestGateway;
let other: Database;
let instanceId: string;

beforeAll(async () => {
  opened = await openSqlite();
  other = createDatabase(opened.url);
  gateway = await startGateway(opened.url, { DATABASE_TIMEOUT_MS: String(databaseTimeoutMs) });
  instanceId = await gateway.link(own);
});
afterAll(async () => {
  await gateway?.stop();
  await other?.close();
  await opened?.drop();
});

/** Another process holds the write lock of the file while `work` runs. */
async function whileLocked(work: () => Promise<void>): Promise<void> {
  await other.transaction(async (trx) => {
    await trx('sequences').insert({ name: 'another process', value: 1 });
    await work();
  });
}

async function timed<T>(work: () => Promise<T>): Promise<T & { ms: number }> {
  const startedAt = performance.now();
  return { ...(await work()), ms: performance.now() - startedAt };
}

const call = (method: string, body: Record<string, unknown>, headers?: Record<string, string>) =>
  timed(() => gateway.call(`wap_bridge.api.${method}`, body, headers));
const send = (message: string, headers?: Record<string, string>) =>
  call('whatsapp.send_api_message', { from_number: own, to_number: friend, message }, headers);
const arrived = () => gateway.app.sandbox!.network.messages({ phone: friend }).map(({ text }) => text);
const count = async (table: string) => Number((await other.knex(table).count({ n: '*' }).first())!['n']);

it('answers 503 in time while another process holds the file, keeps nothing of it, and goes on after', async () => {
  expect((await send('before')).status).toBe(200);
  await until('it has arrived', () => arrived().includes('before'));
  const key = { 'Idempotency-Key': 'order-4711' };
  await whileLocked(async () => {
    const answers = await Promise.all([
      send('refused'),
      send('with a key', key),
      call('campaigns.create_and_start_campaign', {
        instance_id: instanceId,
        campaign_name: 'Refused',
        message: 'hello',
        recipients: [friend],
      }),
      call('settings.create_webhook', { url: 'http://127.0.0.1:18099/hook', events: ['message.received'] }),
    ]);
    for (const { status, json, headers, ms } of answers) {
      expect({ status, ok: json.ok, code: json.code, retry: headers.get('retry-after') }).toEqual({
        status: 503,
        ok: false,
        code: 'unavailable',
        retry: expect.stringMatching(/^\d+$/),
      });
      expect(ms).toBeLessThan(boundMs);
    }
    const [health, readiness] = await Promise.all(
      ['healthz', 'readyz'].map(async (path) => (await fetch(`${gateway.app.url}/${path}`)).status),
    );
    expect([health, readiness]).toEqual([200, 503]);
  });

  await until('it serves again', async () => (await send('after')).status === 200);
  expect((await send('with a key', key)).status).toBe(200);
  await until('they have arrived', () => ['after', 'with a key'].every((text) => arrived().includes(text)));
  expect(arrived().filter((text) => text === 'with a key')).toHaveLength(1);
  expect(arrived()).not.toContain('refused');
  expect(await Promise.all(['messages', 'campaigns', 'campaign_recipients', 'webhook_endpoints'].map(count))).toEqual([
    arrived().length,
    0,
    0,
    0,
  ]);
});
