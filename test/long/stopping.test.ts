import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { linkNew } from '../bench/sends.ts';
import { browsersIn } from '../support/browsers.ts';
import { until } from '../support/clock.ts';
import { openMysql, openSqlite, type TestDatabase } from '../support/database.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { startStallingProxy } from '../support/stalling-proxy.ts';

const count = Number(process.env.INSTANCES ?? 10);
const stops = Number(process.env.STOPS ?? 5);
const friend = '255757123456';
const shutdownMs = 30_000;

/** What every instance sends and receives, one after another, while a gateway is there. */
interface Load {
  /** Sends that were answered with `ok`. */
  accepted: Set<string>;
  /** What the other phone wrote. */
  written: Set<string>;
  end(): Promise<void>;
}

function startLoad(gateway: () => GatewayProcess, ids: Map<string, string>): Load {
  const accepted = new Set<string>();
  const written = new Set<string>();
  const life = { isOver: false };
  let serial = 0;

  async function write(phone: string, instanceId: string): Promise<void> {
    while (!life.isOver) {
      serial += 1;
      const text = `message ${serial}`;
      const input = { from_number: `+${phone}`, to_number: `+${friend}`, message: text };
      try {
        if (serial % 3 === 0) {
          await gateway().sandbox('receive', { instance_id: instanceId, from: friend, text });
          written.add(text);
        } else {
          const { json } = await gateway().call('wap_bridge.api.whatsapp.send_api_message', input);
          if (json.ok === true) accepted.add(text);
        }
      } catch {
        // The gateway is gone: this one was never accepted.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  const loads = [...ids].map(([phone, id]) => write(phone, id));
  return {
    accepted,
    written,
    async end() {
      life.isOver = true;
      await Promise.all(loads);
    },
  };
}

/** Stops a gateway again and again while its numbers send and receive, each time after `before`; tells how it went. */
async function runStops(input: {
  database: TestDatabase;
  databaseUrl: string;
  before(): void;
  after(): void;
}): Promise<{
  endMs: number[];
  codes: (number | null)[];
  troubled: string[];
  lost: string[];
  doubled: string[];
  untold: string[];
}> {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-stopping-'));
  const receiver = await startReceiver();
  const env = { PORT: await freePort(), DATA_DIR: dataDir, DATABASE_URL: input.databaseUrl, LOG_LEVEL: 'warn' };
  let gateway = await spawnGateway(env);
  const ids = new Map<string, string>();
  const endMs: number[] = [];
  const codes: (number | null)[] = [];
  const troubled: string[] = [];
  let load: Load | null = null;
  try {
    for (let index = 1; index <= count; index += 1) {
      const phone = `2557570${String(index).padStart(5, '0')}`;
      ids.set(phone, await linkNew(gateway, phone));
    }
    await gateway.call('wap_bridge.api.settings.set_webhook', { url: receiver.url });
    load = startLoad(() => gateway, ids);
    for (let stop = 0; stop < stops; stop += 1) {
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      input.before();
      const startedAt = performance.now();
      codes.push(await gateway.kill('SIGTERM'));
      endMs.push(Math.round(performance.now() - startedAt));
      if (browsersIn(dataDir).length > 0) troubled.push(`stop ${stop}: browsers are left`);
      process.stdout.write(
        `stop ${stop} ${endMs.at(-1)} ms, code ${codes.at(-1)}\n${process.env.SHOW ? gateway.output().slice(-3000) : ''}`,
      );
      input.after();
      gateway = await spawnGateway(env);
      const areReady = async () => {
        const { json } = await gateway.call('wap_bridge.api.instances.list_instances', {});
        const all = json.instances as { instance_id: string; status: string; action: string | null }[];
        for (const { instance_id, status, action } of all)
          if (status === 'qr' || action !== null) troubled.push(`stop ${stop}: ${instance_id} ${status} ${action}`);
        return all.every(({ status }) => status === 'ready');
      };
      await until('all are ready', areReady, 180_000);
    }
    await load.end();
    const found = await settle(gateway, load, receiver, [...ids.values()]);
    return { endMs, codes, troubled, ...found };
  } finally {
    await load?.end();
    await gateway.kill('SIGKILL');
    await receiver.close();
    await input.database.drop();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Waits until everything has arrived, and returns what has not, or has twice. */
async function settle(
  gateway: GatewayProcess,
  { accepted, written }: Load,
  receiver: Receiver,
  ids: string[],
): Promise<{ lost: string[]; doubled: string[]; untold: string[] }> {
  const arrivals = new Map<string, Set<string>>();
  const missing = () => [...accepted].filter((text) => !arrivals.has(text));
  const told = () => new Set(receiver.requests.map(({ body }) => JSON.parse(body).message?.body as string));
  const untold = () => [...written].filter((text) => !told().has(text));
  await until(
    'all has arrived',
    async () => {
      for (const id of ids) {
        const { messages } = (await gateway.sandbox(`messages?instance_id=${id}`)) as {
          messages: { id: string; from: string; text?: string }[];
        };
        for (const { id: waId, from, text } of messages)
          if (text && !from.startsWith(friend)) arrivals.set(text, (arrivals.get(text) ?? new Set()).add(waId));
      }
      return missing().length + untold().length === 0;
    },
    120_000,
  ).catch(() => undefined);
  const doubled = [...arrivals].filter(([, waIds]) => waIds.size > 1).map(([text]) => text);
  process.stdout.write(`accepted ${accepted.size}, written ${written.size}\n`);
  return { lost: missing(), doubled, untold: untold() };
}

const faultless = { troubled: [], lost: [], doubled: [], untold: [] };

it(`ends within 30 s with ${count} instances that send and receive, and loses nothing`, async () => {
  const database = await openSqlite();
  const nothing = () => undefined;
  const report = await runStops({ database, databaseUrl: database.url, before: nothing, after: nothing });
  process.stdout.write(`stopping ${JSON.stringify(report)}\n`);
  expect(report).toMatchObject(faultless);
  expect(Math.max(...report.endMs)).toBeLessThan(shutdownMs);
  expect(new Set(report.codes)).toEqual(new Set([0]));
});

it(`ends within 30 s with ${count} instances beside a database that hangs, and loses nothing`, async () => {
  const database = await openMysql();
  const { hostname, port, pathname, username } = new URL(database.url);
  const proxy = await startStallingProxy({ host: hostname, port: Number(port || 3306) });
  const report = await runStops({
    database,
    databaseUrl: `mysql://${username}@127.0.0.1:${proxy.port}${pathname}`,
    before: () => proxy.stall('all'),
    after: () => proxy.resume(),
  });
  await proxy.close();
  process.stdout.write(`stopping beside a database that hangs ${JSON.stringify(report)}\n`);
  expect(report).toMatchObject(faultless);
  expect(Math.max(...report.endMs)).toBeLessThan(shutdownMs);
});
