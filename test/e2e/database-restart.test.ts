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
const restarts = 3;
const file = { data: Buffer.from('%PDF-1.4 a').toString('base64'), mime_type: 'application/pdf', filename: 'a.pdf' };
/** The log without its access lines. */
const notRequests = (output: string) =>
  output
    .split('\n')
    .filter((line) => !line.includes('"msg":"request"'))
    .slice(-40)
    .join('\n');
const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.skipIf(!hasMariadb)(
  'MariaDB killed and started again under load (skipped where mariadbd is not installed)',
  () => {
    it('costs clear 503s, no message, no webhook, and doubles none', { timeout: 240_000 }, async () => {
      const mariadb = await startMariadb();
      const receiver = await startReceiver();
      const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-restart-'));
      const gateway = await spawnGateway({ PORT: await freePort(), DATA_DIR: dataDir, DATABASE_URL: mariadb.url });
      const call = (method: string, body: Record<string, unknown> = {}) =>
        gateway.call(`wap_bridge.api.${method}`, body);
      const accepted = new Set<string>();
      const refused = new Map<string, { status: number; code: unknown; message: unknown }>();
      const written = new Set<string>();
      let serial = 0;
      const load = { isOver: false };

      async function sendOn(method: string): Promise<void> {
        while (!load.isOver) {
          const text = `message ${(serial += 1)}`;
          const { status, json } = await call(`whatsapp.${method}`, {
            instance_id: instanceId,
            to_number: friend,
            message: text,
          });
          if (status === 200) accepted.add(text);
          else refused.set(text, { status, code: json.code, message: json.message });
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

      let instanceId = '';
      try {
        instanceId = (await call('instances.create_instance')).json.instance_id as string;
        await call('instances.get_qr', { instance_id: instanceId });
        await gateway.sandbox('link', { instance_id: instanceId, phone_number: own });
        await call('settings.set_webhook', { url: receiver.url });
        const isReady = async () =>
          (await call('instances.instance_status', { instance_id: instanceId })).json.status === 'ready';
        await until('it is ready', isReady);

        const loads = [sendOn('send_api_message'), sendOn('erpnext_notification_gateway'), writeOn()];
        for (let restart = 0; restart < restarts; restart += 1) {
          await tick(1_000);
          await mariadb.kill();
          await until('it is not ready', async () => (await fetch(`${gateway.url}/readyz`)).status === 503);
          await tick(1_500);
          expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200);
          await mariadb.start();
          const before = accepted.size;
          await until('sends are accepted again', () => accepted.size > before, 20_000);
        }
        await until('there was load', () => accepted.size > 20 && written.size > 20 && refused.size > 0);
        await tick(1_000);
        load.isOver = true;
        await Promise.all(loads);

        const arrivals = new Map<string, Set<string>>();
        const told = new Map<string, Set<string>>();
        const withoutFile = new Set<string>();
        const add = (map: Map<string, Set<string>>, name: string, id: string) =>
          map.set(name, (map.get(name) ?? new Set()).add(id));
        const gather = async () => {
          const { messages } = (await gateway.sandbox(`messages?instance_id=${instanceId}`)) as {
            messages: { id: string; from: string; text?: string }[];
          };
          for (const { id, from, text } of messages) if (text && from.startsWith(own)) add(arrivals, text, id);
          for (const { body, headers } of receiver.requests)
            add(told, JSON.parse(body).message.body as string, String(headers['webhook-id']));
          return [...accepted].every((text) => arrivals.has(text)) && [...written].every((text) => told.has(text));
        };
        await until('everything has arrived', gather).catch(() => undefined);

        const missing = (all: Set<string>, found: Map<string, unknown>) => [...all].filter((text) => !found.has(text));
        expect({ lost: missing(accepted, arrivals), untold: missing(written, told) }).toEqual({ lost: [], untold: [] });
        expect([...withoutFile]).toEqual([]);
        expect([...arrivals, ...told].filter(([, ids]) => ids.size > 1)).toEqual([]);
        // A refused call may have been kept before the connection broke, never sent twice; its answer is clear.
        for (const answer of refused.values()) expect(answer).toMatchObject({ status: 503, code: 'unavailable' });
        expect(refused.size).toBeGreaterThan(0);
        expect(accepted.size).toBeGreaterThan(20);
        expect(written.size).toBeGreaterThan(20);
      } catch (error) {
        throw new Error(`${String(error)}\n${notRequests(gateway.output())}`, { cause: error });
      } finally {
        load.isOver = true;
        await gateway.kill('SIGTERM');
        await receiver.close();
        await mariadb.remove();
        await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
      }
    });
  },
);
