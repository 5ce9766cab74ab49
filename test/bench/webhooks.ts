import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Agent } from 'undici';
import { signWebhook } from '../../src/core/webhook/request.ts';
import { openMysql, openSqlite, type TestDatabase } from '../support/database.ts';
import { buildWebhooks } from '../support/webhooks.ts';
import { quantile } from './measure.ts';

/** What the webhook benchmark measured: of each figure the middle of its rounds. */
interface WebhookBenchResult {
  engine: 'sqlite' | 'mysql';
  /** Requests per second at the receiver, from the first commit to the last arrival. */
  deliveriesPerSecond: number;
  /** A bare loop that signs the same bodies, at the same concurrency, in turn with the bursts. */
  bareLoopPerSecond: number;
  /** CPU of the process for one delivery: messages, events and deliveries written, sent, and the results written. */
  cpuUs: number;
  bareLoopCpuUs: number;
  lost: number;
  doubled: number;
  /** Chats whose messages came out of order. */
  disordered: number;
}

/**
 * Sends bursts of inbound messages to one receiver in a process of its own, in turn with a bare loop. The first round of both warms
 * up: a gateway has run for longer than the second that a burst takes.
 * Run by `npm run bench -- webhooks`.
 */
export async function benchWebhooks({
  events = 1000,
  chats = 50,
  rounds = 7,
  engine = 'sqlite' as 'sqlite' | 'mysql',
} = {}): Promise<WebhookBenchResult> {
  const db: TestDatabase = await (engine === 'sqlite' ? openSqlite() : openMysql());
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-bench-'));
  const receiver = await forkReceiver();
  const results = countdown();
  const bench = await buildWebhooks(db.database, dataDir, { watch: (finished) => results.take(finished.length) });
  const bareLoops: Measured[] = [];
  const bursts: Measured[] = [];
  const faults = { lost: 0, doubled: 0, disordered: 0 };
  try {
    await bench.webhooks.set(bench.accountId, { url: receiver.url, dialect: 'plain', secret: 'bench secret' });
    bench.webhooks.start();
    for (let round = 0; round <= rounds; round += 1) {
      const bare = await measured({ count: events, work: () => bareLoop(receiver.url, events) });
      await receiver.reset();
      const written = results.of(events);
      const sent = await measured({
        count: events,
        async work() {
          for (let at = 0; at < events; at += 100) await bench.receive(burst(Math.min(100, events - at), chats, at));
          await receiver.waitFor(events);
        },
        rest: written,
      });
      const texts = (await receiver.reset()).map((body) => JSON.parse(body) as { text: string; chat: string });
      const distinct = new Set(texts.map(({ text }) => text)).size;
      faults.lost += events - distinct;
      faults.doubled += texts.length - distinct;
      faults.disordered += countDisordered(texts);
      if (round === 0) continue;
      bareLoops.push(bare);
      bursts.push(sent);
    }
    return {
      engine,
      deliveriesPerSecond: quantile(pick(bursts, 'perSecond'), 0.5),
      bareLoopPerSecond: quantile(pick(bareLoops, 'perSecond'), 0.5),
      cpuUs: quantile(pick(bursts, 'cpuUs'), 0.5),
      bareLoopCpuUs: quantile(pick(bareLoops, 'cpuUs'), 0.5),
      ...faults,
    };
  } finally {
    await bench.stop();
    receiver.stop();
    await db.drop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

interface Measured {
  perSecond: number;
  cpuUs: number;
}

/** Measures work on `count` things; `rest` ends later and counts as CPU only. */
async function measured(input: {
  count: number;
  work: () => Promise<unknown>;
  rest?: Promise<void>;
}): Promise<Measured> {
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await input.work();
  const elapsedMs = performance.now() - startedAt;
  await input.rest;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { perSecond: (input.count / elapsedMs) * 1000, cpuUs: (user + system) / input.count };
}

const pick = (rounds: readonly Measured[], figure: keyof Measured): number[] => rounds.map((one) => one[figure]);

/** Resolves when as many have been taken as were asked for. */
function countdown(): { of(count: number): Promise<void>; take(count: number): void } {
  let left = 0;
  let done = () => {};
  return {
    of: (count) => {
      left = count;
      return new Promise((resolve) => (done = resolve));
    },
    take(count) {
      left -= count;
      if (left <= 0) done();
    },
  };
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
