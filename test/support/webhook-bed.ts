import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { WebhookDeps } from '../../src/core/webhooks.ts';
import type { TestDatabase } from './database.ts';
import { startReceiver, type Receiver } from './receiver.ts';
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

  return {
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
  };
}
