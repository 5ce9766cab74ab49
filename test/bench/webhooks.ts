import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Agent } from 'undici';
import { signWebhook } from '../../src/core/webhook/request.ts';
import { openMysql, openSqlite, type TestDatabase } from '../support/database.ts';
import { buildWebhooks } from '../support/webhooks.ts';

/** What one run of the webhook benchmark measured. */
interface WebhookBenchResult {
  engine: 'sqlite' | 'mysql';
  events: number;
  /** Time in which the events and their messages were written. */
  enqueueMs: number;
  /** Requests per second at the receiver, from the first commit to the last arrival. */
  deliveriesPerSecond: number;
  /** A bare loop that signs the same bodies, at the same concurrency, in the same run. */
  bareLoopPerSecond: number;
  lost: number;
  doubled: number;
  /** Chats whose messages came out of order. */
  disordered: number;
}

/**
 * Sends a burst of inbound messages to one receiver in a process of its own and measures it beside a bare loop.
 * Run by `npm run bench -- webhooks`.
 */
export async function benchWebhooks({
  events = 1000,
  chats = 50,
  engine = 'sqlite' as 'sqlite' | 'mysql',
} = {}): Promise<WebhookBenchResult> {
  const db: TestDatabase = await (engine === 'sqlite' ? openSqlite() : openMysql());
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-bench-'));
  const receiver = await forkReceiver();
  const bench = await buildWebhooks(db.database, dataDir);
  try {
    await bench.webhooks.set(bench.accountId, { url: receiver.url, dialect: 'plain', secret: 'bench secret' });
    bench.webhooks.start();
    await bench.receive(burst(200, chats));
    await receiver.waitFor(200);
    const bareLoopPerSecond = await bareLoop(receiver.url, Math.max(events, 4000));
    await receiver.waitFor(200 + Math.max(events, 4000));
    await receiver.reset();

    const startedAt = performance.now();
    for (let at = 0; at < events; at += 100) await bench.receive(burst(Math.min(100, events - at), chats, at));
    const enqueueMs = performance.now() - startedAt;
    await receiver.waitFor(events);
    const elapsedMs = performance.now() - startedAt;
    await bench.settled(60_000);
    const texts = (await receiver.reset()).map((body) => JSON.parse(body) as { text: string; chat: string });
    return {
      engine,
      events,
      enqueueMs: Math.round(enqueueMs),
      deliveriesPerSecond: Math.round((events / elapsedMs) * 1000),
      bareLoopPerSecond,
      lost: events - new Set(texts.map(({ text }) => text)).size,
      doubled: texts.length - new Set(texts.map(({ text }) => text)).size,
      disordered: countDisordered(texts),
    };
  } finally {
    await bench.stop();
    receiver.stop();
    await db.drop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function burst(count: number, chats: number, from = 0): { chat: number; text: string }[] {
  return Array.from({ length: count }, (_, index) => ({ chat: (from + index) % chats, text: String(from + index) }));
}

function countDisordered(texts: readonly { text: string; chat: string }[]): number {
  const last = new Map<string, number>();
  const bad = new Set<string>();
  for (const { text, chat } of texts) {
    if (Number(text) < (last.get(chat) ?? -1)) bad.add(chat);
    last.set(chat, Number(text));
  }
  return bad.size;
}

/** Returns the requests per second of a loop that only signs and posts, at the concurrency of one endpoint. */
export async function bareLoop(url: string, count: number): Promise<number> {
  const agent = new Agent({ connections: 8 });
  const { origin, pathname } = new URL(url);
  const body = JSON.stringify({
    type: 'message.received',
    customer: 'CUST-0001',
    instance: 'INST-01-0000001',
    chat: '255700000001@c.us',
    text: '-1',
  });
  let left = count;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (left-- > 0) {
        const timestamp = String(Math.floor(Date.now() / 1000));
        const signature = signWebhook({ secret: 'bench secret', id: 'msg_1', timestamp, body });
        const answer = await agent.request({
          origin,
          path: pathname,
          method: 'POST',
          body,
          headers: { 'content-type': 'application/json', 'webhook-signature': signature },
        });
        await answer.body.dump();
      }
    }),
  );
  const perSecond = Math.round((count / (performance.now() - startedAt)) * 1000);
  await agent.destroy();
  return perSecond;
}

/** A receiver in a process of its own. */
export interface ForkedReceiver {
  url: string;
  waitFor(count: number): Promise<void>;
  /** Returns what arrived and forgets it. */
  reset(): Promise<string[]>;
  stop(): void;
}

/** Runs the receiver in a process of its own, so that the two do not share a thread. */
export async function forkReceiver(): Promise<ForkedReceiver> {
  const child = fork(
    fileURLToPath(
      new URL(import.meta.url.endsWith('.ts') ? './webhook-receiver.ts' : './webhook-receiver.js', import.meta.url),
    ),
  );
  const ask = (message: object) =>
    new Promise<unknown>((resolve) => {
      child.once('message', resolve);
      child.send(message);
    });
  const { port } = (await new Promise((resolve) => child.once('message', resolve))) as { port: number };
  return {
    url: `http://127.0.0.1:${port}/hook`,
    waitFor: async (count) => void (await ask({ waitFor: count })),
    reset: async () => (await ask({ reset: true })) as string[],
    stop: () => child.kill(),
  };
}
