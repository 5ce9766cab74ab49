import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { webhookDialects } from '../../src/dialects/index.ts';
import { until } from './clock.ts';
import type { TestDatabase } from './database.ts';
import { freePort, spawnGateway } from './process.ts';
import { startReceiver } from './receiver.ts';
import { buildWebhooks } from './webhooks.ts';

/** What came of killing a gateway again and again while it works through a backlog of webhooks. */
interface WebhookKillReport {
  kills: number;
  written: number;
  /** Requests at the receiver. */
  requests: number;
  /** Written, but never delivered. */
  lost: number;
  /** Delivered as two different events; repeats with the same `webhook-id` are fine. */
  doubled: number;
  /** Repeats with the same `webhook-id`: what was under way, or not written down, at a kill. */
  repeated: number;
  /** Chats whose first arrivals came out of order. */
  disordered: number;
  /** From the start of the process to its first delivery, ms. */
  firstDeliveryMs: { median: number; most: number };
}

const chats = 40;
const batch = 400;
const answerMs = 8;

/** Kills (SIGKILL) a gateway `kills` times with a backlog; at the end everything must have arrived. */
export async function runWebhookKills(kills: number, opened: TestDatabase): Promise<WebhookKillReport> {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-webhook-kill-'));
  const receiver = await startReceiver();
  receiver.answer((_, response) => setTimeout(() => response.end('ok'), answerMs));
  const writer = await buildWebhooks(opened.database, dataDir, { dialects: () => webhookDialects });
  // No browser is needed here.
  await opened.database.knex('instances').delete();
  await writer.webhooks.set(writer.accountId, { url: receiver.url, dialect: 'wapbridge', events: ['instance.status'] });
  const env = { PORT: await freePort(), DATA_DIR: dataDir, DATABASE_URL: opened.url };
  const firstDeliveryMs: number[] = [];
  let written = 0;

  async function write(): Promise<void> {
    const events = Array.from({ length: batch }, () => ({
      accountId: writer.accountId,
      instanceId: null,
      type: 'instance.status' as const,
      payload: { state: 'ready', reason: String(written++) },
      orderKey: `chat ${written % chats}`,
    }));
    await opened.database.transaction((trx) => writer.webhooks.enqueue(trx, events));
  }

  try {
    for (let kill = 0; kill < kills; kill += 1) {
      await write();
      const before = receiver.requests.length;
      const startedAt = Date.now();
      const gateway = await spawnGateway(env);
      await until('something is delivered', () => Promise.resolve(receiver.requests.length > before));
      firstDeliveryMs.push((receiver.requests[before]?.at ?? Date.now()) - startedAt);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
      await gateway.kill('SIGKILL');
    }
    const last = await spawnGateway(env);
    await writer.settled(120_000);
    await last.kill('SIGTERM');
  } finally {
    await writer.stop();
    await receiver.close();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  const idsOf = new Map<string, Set<string>>();
  const latest = new Map<number, number>();
  const disordered = new Set<number>();
  for (const { body, headers } of receiver.requests) {
    const reason = (JSON.parse(body) as { reason: string }).reason;
    if (!idsOf.has(reason)) {
      const chat = Number(reason) % chats;
      if (Number(reason) < (latest.get(chat) ?? -1)) disordered.add(chat);
      latest.set(chat, Number(reason));
    }
    idsOf.set(reason, (idsOf.get(reason) ?? new Set()).add(String(headers['webhook-id'])));
  }
  const sorted = firstDeliveryMs.toSorted((a, b) => a - b);
  return {
    kills,
    written,
    requests: receiver.requests.length,
    lost: written - idsOf.size,
    doubled: [...idsOf.values()].filter((ids) => ids.size > 1).length,
    repeated: receiver.requests.length - idsOf.size,
    disordered: disordered.size,
    firstDeliveryMs: { median: sorted[sorted.length >> 1] ?? 0, most: sorted.at(-1) ?? 0 },
  };
}
