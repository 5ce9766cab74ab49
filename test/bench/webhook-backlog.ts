import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdSource } from '../../src/model/ids.ts';
import { openMysql, openSqlite, type TestDatabase } from '../support/database.ts';
import { buildWebhooks, type WebhookBench } from '../support/webhooks.ts';
import { quantile } from './measure.ts';
import { bareLoop, type ForkedReceiver, forkReceiver } from './webhooks.ts';

type Engine = 'sqlite' | 'mysql';

/** What a backlog does: how fast it goes out, how soon after a start, and what it takes of memory. */
interface BacklogResult {
  engine: Engine;
  backlog: number;
  deliveriesPerSecond: number;
  bareLoopPerSecond: number;
  /** From the start of the worker to the first arrival. */
  firstDeliveryMs: number;
  /** The most memory while the small and the large backlog went out, MiB. */
  smallRssMib: number;
  largeRssMib: number;
}

/** How long deliveries to healthy endpoints take with and without an endpoint that hangs. */
interface IsolationResult {
  engine: Engine;
  healthy: number;
  p99AloneMs: number;
  p99BesideMs: number;
}

const small = 2_000;
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
    const receiver = await forkReceiver();
    await bench.webhooks.set(bench.accountId, { url: receiver.url, dialect: 'plain', events: ['instance.status'] });
    const bareLoopPerSecond = await bareLoop(receiver.url, 4_000);
    await receiver.reset();

    await writeBacklog(db, bench, small);
    const smallRun = await drain(bench, receiver, small);
    await bench.webhooks.stop();
    await writeBacklog(db, bench, backlog);
    const again = await buildAgain(db, bench);
    const largeRun = await drain(again, receiver, measured);
    await again.stop();
    receiver.stop();
    return {
      engine,
      backlog,
      deliveriesPerSecond: largeRun.perSecond,
      bareLoopPerSecond,
      firstDeliveryMs: largeRun.firstMs,
      smallRssMib: smallRun.rssMib,
      largeRssMib: largeRun.rssMib,
    };
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

async function buildAgain(db: TestDatabase, { accountId }: WebhookBench): Promise<WebhookBench> {
  const dataDir = join(tmpdir(), `wapbridge-bench-${accountId}`);
  return buildWebhooks(db.database, dataDir);
}

/** Starts the worker and lets `count` deliveries arrive. */
async function drain(
  bench: WebhookBench,
  receiver: ForkedReceiver,
  count: number,
): Promise<{ perSecond: number; firstMs: number; rssMib: number }> {
  let rss = 0;
  const sampler = setInterval(() => (rss = Math.max(rss, process.memoryUsage().rss)), 50);
  const startedAt = performance.now();
  bench.webhooks.start();
  await receiver.waitFor(1);
  const firstMs = Math.round(performance.now() - startedAt);
  await receiver.waitFor(count);
  const perSecond = Math.round((count / (performance.now() - startedAt)) * 1000);
  clearInterval(sampler);
  await bench.webhooks.stop();
  await receiver.reset();
  return { perSecond, firstMs, rssMib: Math.round(rss / 1024 / 1024) };
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
