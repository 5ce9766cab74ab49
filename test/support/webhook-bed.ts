import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { WebhookDeps } from '../../src/core/webhooks.ts';
import type { Attempt } from '../../src/model/webhook.ts';
import { createWebhookHistory } from '../../src/store/webhook-history.ts';
import type { TestDatabase } from './database.ts';
import { startReceiver, type ReceivedRequest, type Receiver } from './receiver.ts';
import { buildWebhooks, type WebhookBench } from './webhooks.ts';

/** What tests of webhooks share: one database, empty before each test, and what a test starts is ended after it. */
export interface WebhookBed {
  readonly db: TestDatabase;
  readonly dataDir: string;
  /** Called after the test, the last first. */
  closers: (() => Promise<void>)[];
  /** Starts webhooks over the database. */
  build(patch?: Partial<WebhookDeps>): Promise<WebhookBench>;
  receiver(port?: number): Promise<Receiver>;
  /** Starts webhooks with one endpoint, and its receiver. */
  connected(patch?: Partial<WebhookDeps>, input?: { secret?: string }): Promise<WebhookBench & { target: Receiver }>;
  /** Returns the HTTP tries for the only endpoint, newest first. */
  attempts(): Promise<Attempt[]>;
}

/** Prepares the tests of the file (or of the block it is called in) for webhooks. */
export function useWebhookBed(open: () => Promise<TestDatabase>): WebhookBed {
  let db: TestDatabase;
  let dataDir: string;
  const closers: WebhookBed['closers'] = [];

  beforeAll(async () => {
    db = await open();
    dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-webhooks-'));
  });
  afterAll(async () => {
    await db.drop();
    await rm(dataDir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    for (const table of ['webhook_attempts', 'webhook_deliveries', 'webhook_endpoints', 'events', 'messages'])
      await db.database.knex(table).delete();
  });
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  const bed: WebhookBed = {
    get db() {
      return db;
    },
    get dataDir() {
      return dataDir;
    },
    closers,

    async build(patch = {}) {
      const bench = await buildWebhooks(db.database, dataDir, patch);
      closers.push(bench.stop);
      bench.webhooks.start();
      return bench;
    },

    async receiver(port) {
      const made = await startReceiver(port);
      closers.push(() => made.close().catch(() => undefined));
      return made;
    },

    async connected(patch = {}, input = {}) {
      const bench = await bed.build(patch);
      const target = await bed.receiver();
      await bench.webhooks.set(bench.accountId, { url: target.url, dialect: 'plain', ...input });
      return { ...bench, target };
    },

    async attempts() {
      const [endpoint] = (await db.database.knex('webhook_endpoints').select('id')) as { id: string }[];
      return createWebhookHistory(db.database).attempts({ endpointIds: [endpoint?.id ?? ''], limit: 1000 });
    },
  };
  return bed;
}

/** Returns the text of the message that was told. */
export const textOf = (request: ReceivedRequest) => (JSON.parse(request.body) as { text: string }).text;

/** Returns the chat of the message that was told. */
export const chatOf = (request: ReceivedRequest) => (JSON.parse(request.body) as { chat: string }).chat;

/** Returns an answer for a receiver: this status, and `no`. */
export const refuse =
  (status: number, headers: Record<string, string> = {}) =>
  (_: unknown, response: { writeHead(status: number, headers: Record<string, string>): { end(text: string): void } }) =>
    response.writeHead(status, headers).end('no');
