import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { hasMariadb, startMariadb } from '../support/mariadb.ts';
import { freePort, spawnGateway } from '../support/process.ts';
import { startReceiver } from '../support/receiver.ts';

const own = '255757000001';
const friend = '255757123456';
const file = { data: Buffer.from('%PDF-1.4 a').toString('base64'), mime_type: 'application/pdf', filename: 'a.pdf' };
const databaseTimeoutMs = 2_000;
const swift = {
  median_seconds: 0.3,
  min_seconds: 0.2,
  max_seconds: 0.5,
  break_every_min: 0,
  break_every_max: 0,
  daily_cap: 10_000,
  new_chat_cap: 10_000,
  warm_up: false,
};
/** For a connection and a statement; the rest is for a machine that has other things to do. */
const answerMs = databaseTimeoutMs * 1.5 + 3_000;
/** Short ones end before anything is given up, the long one after everything was. */
const hangsMs = [1_000, 9_000, 3_000];
const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(!hasMariadb)('MariaDB that hangs under load (skipped where mariadbd is not installed)', () => {
  it('costs 503s in time, no message, no webhook, and doubles none', { timeout: 300_000 }, async () => {
    const mariadb = await startMariadb();
    const receiver = await startReceiver();
    const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-hang-'));
    const gateway = await spawnGateway({
      PORT: await freePort(),
      DATA_DIR: dataDir,
      DATABASE_URL: mariadb.url,
      DATABASE_TIMEOUT_MS: String(databaseTimeoutMs),
    });
    const call = (method: string, body: Record<string, unknown> = {}) => gateway.call(`wap_bridge.api.${method}`, body);
    const accepted = new Set<string>();
    const refused = new Map<string, { status: number; code: unknown }>();
    const written = new Set<string>();
    const load = { isOver: false, longestMs: 0 };
    let serial = 0;
    let instanceId = '';

    async function sendOn(method: string): Promise<void> {
      while (!load.isOver) {
        const text = `message ${(serial += 1)}`;
        const startedAt = performance.now();
        const { status, json } = await call(`whatsapp.${method}`, {
          instance_id: instanceId,
          to_number: friend,
          message: text,
        });
        load.longestMs = Math.max(load.longestMs, performance.now() - startedAt);
        if (status === 200) accepted.add(text);
        else refused.set(text, { status, code: json.code });
        await tick(10);
      }
    }
    async function writeOn(): Promise<void> {
      while (!load.isOver) {
        const text = `answer ${(serial += 1)}`;
        // The control of the sandbox asks the database for the number: without it the friend has not written.
        const sent = await gateway
          .sandbox('receive', {
            instance_id: instanceId,
            from: friend,
            ...(serial % 3 === 0 ? { media: { ...file, caption: text } } : { text }),
          })
          .catch(() => null);
        if (sent) written.add(text);
        await tick(60);
      }
    }
    async function statusOf(path: string): Promise<{ status: number; ms: number; text: string }> {
      const startedAt = performance.now();
      const response = await fetch(`${gateway.url}${path}`);
      return { status: response.status, text: await response.text(), ms: performance.now() - startedAt };
    }

    try {
      instanceId = (await call('instances.create_instance')).json.instance_id as string;
      await call('instances.get_qr', { instance_id: instanceId });
      await gateway.sandbox('link', { instance_id: instanceId, phone_number: own });
      await call('settings.set_webhook', { url: receiver.url });
      const isReady = async () =>
        (await call('instances.instance_status', { instance_id: instanceId })).json.status === 'ready';
      await until('it is ready', isReady);
      const campaign = await call('campaigns.create_and_start_campaign', {
        instance_id: instanceId,
        campaign_name: 'While it hangs',
        message: 'campaign {{phone}}',
        recipients: Array.from({ length: 40 }, (_, index) => `2557571${String(index).padStart(5, '0')}`),
        pacing: swift,
        quiet_hours: false,
      });
      expect(campaign.status).toBe(200);

      const loads = [sendOn('send_api_message'), sendOn('erpnext_notification_gateway'), writeOn()];
      for (const hangMs of hangsMs) {
        await tick(1_000);
        mariadb.signal('SIGSTOP');
        const goesOnAt = performance.now() + hangMs;
        const isLong = hangMs > answerMs;
        const health = await statusOf('/healthz');
        expect(health).toMatchObject({ status: 200 });
        expect(health.ms).toBeLessThan(1_000);
        if (isLong) {
          const readiness = await statusOf('/readyz');
          expect(readiness).toMatchObject({
            status: 503,
            text: expect.stringContaining('"database":"does not answer"'),
          });
          expect(readiness.ms).toBeLessThan(4_500);
        }
        await tick(Math.max(0, goesOnAt - performance.now()));
        mariadb.signal('SIGCONT');
        const before = accepted.size;
        await until('sends are accepted again', () => accepted.size > before + 5, 20_000);
      }
      await tick(1_000);
      load.isOver = true;
      await Promise.all(loads);

      const arrivals = new Map<string, Set<string>>();
      const told = new Map<string, Set<string>>();
      const add = (map: Map<string, Set<string>>, name: string, id: string) =>
        map.set(name, (map.get(name) ?? new Set()).add(id));
      const gather = async () => {
        const { messages } = (await gateway.sandbox(`messages?instance_id=${instanceId}`)) as {
          messages: { id: string; from: string; text?: string }[];
        };
        for (const { id, from, text } of messages) if (text && from.startsWith(own)) add(arrivals, text, id);
        for (const { body, headers } of receiver.requests)
          add(told, JSON.parse(body).message.body as string, String(headers['webhook-id']));
        const { status } = (await call('campaigns.campaign_status', { campaign: 'WAP-CAM-0001' })).json;
        return (
          status === 'completed' &&
          [...accepted].every((text) => arrivals.has(text)) &&
          [...written].every((text) => told.has(text))
        );
      };
      await until('everything has arrived', gather, 60_000).catch(() => undefined);

      const missing = (all: Set<string>, found: Map<string, unknown>) => [...all].filter((text) => !found.has(text));
      expect({ lost: missing(accepted, arrivals), untold: missing(written, told) }).toEqual({ lost: [], untold: [] });
      expect([...arrivals, ...told].filter(([, ids]) => ids.size > 1)).toEqual([]);
      // What was refused in a hang is not sent, then or later.
      expect([...refused.keys()].filter((text) => arrivals.has(text))).toEqual([]);
      for (const answer of refused.values()) expect(answer).toEqual({ status: 503, code: 'unavailable' });
      expect(refused.size).toBeGreaterThan(0);
      expect(accepted.size).toBeGreaterThan(20);
      expect(written.size).toBeGreaterThan(20);
      expect(load.longestMs).toBeLessThan(answerMs);
      const status = (await call('campaigns.campaign_status', { campaign: 'WAP-CAM-0001' })).json;
      expect(status).toMatchObject({ status: 'completed', total: 40, queued: 0, sending: 0, failed: 0 });
      expect([...arrivals.keys()].filter((text) => text.startsWith('campaign '))).toHaveLength(40);
    } catch (error) {
      throw new Error(`${String(error)}\n${gateway.output().slice(-6_000)}`, { cause: error });
    } finally {
      load.isOver = true;
      mariadb.signal('SIGCONT');
      await gateway.kill('SIGTERM');
      await receiver.close();
      await mariadb.remove();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});
