import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createIdSource } from '../../src/model/ids.ts';
import { openMysql, openSqlite, type TestDatabase } from '../support/database.ts';
import { buildWebhooks, type WebhookBench } from '../support/webhooks.ts';
import { quantile } from './measure.ts';
import type { Drained } from './webhook-drain.ts';
import { forkReceiver } from './webhooks.ts';

type Engine = 'sqlite' | 'mysql';

/** What a backlog does: how fast it goes out, how soon after a start, and what it takes of memory. */
interface BacklogResult {
  engine: Engine;
  /** With nothing more than what is sent. */
  small: Drained;
  /** With the whole backlog behind it. */
  large: Drained;
}

/** How long deliveries to healthy endpoints take with and without an endpoint that hangs. */
interface IsolationResult {
  engine: Engine;
  healthy: number;
  p99AloneMs: number;
  p99BesideMs: number;
}

const measured = 5_000;
const chats = 200;

/** Measures a backlog of `backlog` deliveries that waited while the worker was down. */
export async function benchBacklog({
  engine,
  backlog = 100_000,
}: {
  engine: Engine;
  backlog?: number;
}): Promise<BacklogResult> {
  return withBench(engine, async (bench, db) => {
    const nobody = 'http://127.0.0.1:9999/';
    await bench.webhooks.set(bench.accountId, { url: nobody, dialect: 'plain', events: ['instance.status'] });
    await writeBacklog(db, bench, measured);
    const small = await drain(db.url, measured);
    await writeBacklog(db, bench, measured + backlog);
    return { engine, small, large: await drain(db.url, measured) };
  });
}

/** Measures 20 healthy endpoints, first alone, then beside one that hangs. */
export async function benchIsolation({
  engine,
  healthy = 20,
}: {
  engine: Engine;
  healthy?: number;
}): Promise<IsolationResult> {
  return withBench(engine, async (bench) => {
    const owner = { accountId: bench.accountId, boundTo: null };
    const receiver = await forkReceiver();
    for (let index = 0; index < healthy; index += 1)
      await bench.webhooks.create(owner, { url: `${receiver.url}?${index}`, dialect: 'plain' });
    bench.webhooks.start();
    await round(5);
    const alone = await round(40);
    await bench.webhooks.create(owner, { url: `${receiver.url}-hang`, dialect: 'plain' });
    await round(5);
    const beside = await round(40);
    receiver.stop();
    return {
      engine,
      healthy,
      p99AloneMs: Math.round(quantile(alone, 0.99)),
      p99BesideMs: Math.round(quantile(beside, 0.99)),
    };

    /** Returns how long after its commit each event had arrived at all healthy endpoints, ms. */
    async function round(count: number): Promise<number[]> {
      const times: number[] = [];
      for (let index = 0; index < count; index += 1) {
        const startedAt = performance.now();
        await bench.receive([{ chat: index, text: 'x' }]);
        await receiver.waitFor(healthy);
        times.push(performance.now() - startedAt);
        await receiver.reset();
      }
      return times;
    }
  });
}

async function withBench<T>(engine: Engine, work: (bench: WebhookBench, db: TestDatabase) => Promise<T>): Promise<T> {
  const db = await (engine === 'sqlite' ? openSqlite() : openMysql());
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-bench-'));
  const bench = await buildWebhooks(db.database, dataDir, { timeoutMs: 15_000 });
  try {
    return await work(bench, db);
  } finally {
    await bench.stop();
    await db.drop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** In a process of its own: this one has made the backlog, which took more memory than sending it does. */
async function drain(url: string, count: number): Promise<Drained> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const child = fork(fileURLToPath(new URL(`./webhook-drain.${extension}`, import.meta.url)), [url, String(count)]);
  const [result] = (await once(child, 'message')) as [Drained];
  return result;
}

async function writeBacklog(db: TestDatabase, { webhooks, accountId }: WebhookBench, count: number): Promise<void> {
  const newId = createIdSource(Date.now);
  for (let at = 0; at < count; at += 1_000)
    await db.database.transaction((trx) =>
      webhooks.enqueue(
        trx,
        Array.from({ length: Math.min(1_000, count - at) }, (_, index) => ({
          accountId,
          instanceId: null,
          type: 'instance.status' as const,
          payload: { state: 'ready', reason: newId() },
          orderKey: `chat ${(at + index) % chats}`,
        })),
      ),
    );
}
