import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Announcer } from '../../../src/core/announcer.ts';
import { metricPrefix, metricTable } from '../../../src/core/metrics/catalogue.ts';
import { createMetrics, type Metrics } from '../../../src/core/metrics/metrics.ts';
import type { Finished } from '../../../src/core/webhook/finisher.ts';
import type { NewEvent } from '../../../src/model/events.ts';
import type { Instance } from '../../../src/model/instance.ts';
import { createStatsStore } from '../../../src/store/stats.ts';
import { openSqlite, type TestDatabase } from '../../support/database.ts';
import { buildInstance, buildMessage } from '../../support/factories.ts';

let opened: TestDatabase;
let instance: Instance;
let metrics: Metrics;
let now = 0;
beforeEach(async () => {
  opened = await openSqlite();
  instance = await buildInstance(opened.database);
  now = Date.now();
  metrics = build();
});
afterEach(() => opened.drop());

function build(patch: Partial<Parameters<typeof createMetrics>[0]> = {}): Metrics {
  return createMetrics({
    stats: createStatsStore(opened.database),
    memory: () => ({ pssBytes: 5_000, rssBytes: 9_000 }),
    freeBytes: () => Promise.resolve(1_000),
    version: '1.2.3',
    clock: { now: () => now },
    log: pino({ level: 'silent' }),
    withProcess: false,
    ...patch,
  });
}

/** The value of one line, null when it is not there. */
async function valueOf(name: string): Promise<number | null> {
  const line = (await metrics.text()).split('\n').find((text) => text.startsWith(`${metricPrefix}${name} `));
  return line === undefined ? null : Number(line.split(' ').at(-1));
}

const status = (state: string): NewEvent => ({
  accountId: instance.accountId,
  instanceId: instance.id,
  type: 'message.status',
  payload: { messageId: 'm', state, ack: 1, reason: null },
  orderKey: 'chat',
});

describe('what is announced', () => {
  const silent: Announcer = { enqueue: () => Promise.resolve() };

  it('counts once its transaction is committed, not when it is rolled back', async () => {
    const announcer = metrics.watchEvents(silent);
    await opened.database.transaction((trx) =>
      announcer.enqueue(trx, [status('sent'), status('sent'), status('read')]),
    );
    await opened.database
      .transaction(async (trx) => {
        await announcer.enqueue(trx, [status('sent')]);
        throw new Error('no');
      })
      .catch(() => undefined);
    expect(await valueOf('message_status_total{state="sent"}')).toBe(2);
    expect(await valueOf('message_status_total{state="read"}')).toBe(1);
  });
});

describe('API calls, what arrives and states', () => {
  it('count by their labels', async () => {
    const announcer = metrics.watchEvents({ enqueue: () => Promise.resolve() });
    const { accountId, id: instanceId } = instance;
    await opened.database.transaction((trx) =>
      announcer.enqueue(trx, [
        { accountId, instanceId, type: 'message.received', payload: { messageId: 'm' }, orderKey: 'chat' },
        {
          accountId,
          instanceId,
          type: 'instance.status',
          payload: { state: 'qr', reason: null, code: null },
          orderKey: instanceId,
        } as unknown as NewEvent,
      ]),
    );
    metrics.requestEnded({ route: '/api/method/a', status: 200, durationMs: 20 });
    metrics.requestEnded({ route: null, status: 404, durationMs: 20 });
    expect(await valueOf('messages_received_total')).toBe(1);
    expect(await valueOf('instance_changes_total{state="qr"}')).toBe(1);
    expect(await valueOf('http_requests_total{route="/api/method/a",status="200"}')).toBe(1);
    expect(await valueOf('http_requests_total{route="other",status="404"}')).toBe(1);
    expect(await valueOf('http_request_seconds_count{route="other"}')).toBe(1);
  });
});

describe('sends', () => {
  it('count by content and result, and the time of those that were accepted', async () => {
    const message = buildMessage(instance, { createdAt: now - 300 });
    metrics.sendEnded(message, 'accepted');
    metrics.sendEnded(message, 'failed');
    expect(await valueOf('messages_ended_total{type="text",result="accepted"}')).toBe(1);
    expect(await valueOf('messages_ended_total{type="text",result="failed"}')).toBe(1);
    expect(await valueOf('send_seconds_bucket{le="0.25"}')).toBe(0);
    expect(await valueOf('send_seconds_bucket{le="0.5"}')).toBe(1);
    expect(await valueOf('send_seconds_count')).toBe(1);
  });
});

describe('webhooks', () => {
  it('count attempts by their answer and deliveries by what came of them', async () => {
    const attempt = (code: number | null) => ({ status: code, durationMs: 20 });
    metrics.webhooksWritten([
      { result: { state: 'retry' }, attempts: [attempt(null), attempt(503)] },
      { result: { state: 'delivered' }, attempts: [attempt(204)] },
    ] as unknown as Finished[]);
    for (const result of ['none', '5xx', '2xx'])
      expect(await valueOf(`webhook_attempts_total{result="${result}"}`)).toBe(1);
    expect(await valueOf('webhook_deliveries_total{result="retry"}')).toBe(1);
    expect(await valueOf('webhook_attempt_seconds_count')).toBe(3);
  });
});

describe('the ends of browsers', () => {
  it('count by cause, never by sentence', async () => {
    metrics.browserEnded({ kind: 'closed', reason: 'The page crashed: a, b, c' });
    metrics.browserEnded({ kind: 'closed', reason: 'The page does not answer', isDead: true });
    metrics.browserEnded({ kind: 'closed', reason: 'x', code: 'profile_in_use' });
    metrics.browserEnded({ kind: 'closed', reason: 'y', stuckIn: 'qr' });
    metrics.browserEnded({ kind: 'recycled', reason: 'z' });
    for (const cause of ['closed', 'silent', 'profile_in_use', 'stuck', 'recycled'])
      expect(await valueOf(`browser_ends_total{cause="${cause}"}`)).toBe(1);
  });
});

describe('transactions', () => {
  it('are timed, also those that fail', async () => {
    const database = metrics.watchDatabase(opened.database);
    await database.transaction(() => Promise.resolve());
    await database.transaction(() => Promise.reject(new Error('no'))).catch(() => undefined);
    expect(await valueOf('database_transaction_seconds_count')).toBe(2);
  });
});

describe('gauges', () => {
  it('are read at each scrape: an instance that is deleted is gone from them', async () => {
    expect(await valueOf(`instance_ready{instance="${instance.id}"}`)).toBe(1);
    expect(await valueOf('instances{state="ready"}')).toBe(1);
    expect(await valueOf('data_dir_free_bytes')).toBe(1_000);
    expect(await valueOf(`instance_memory_bytes{instance="${instance.id}",kind="pss"}`)).toBe(5_000);
    expect(await valueOf(`instance_attempts{instance="${instance.id}"}`)).toBe(0);
    await opened.database.knex('instances').update({ deleted_at: now });
    expect(await valueOf(`instance_ready{instance="${instance.id}"}`)).toBeNull();
    expect(await valueOf('instances{state="ready"}')).toBe(0);
  });

  it('are what the database says, each under its own name', async () => {
    const id = instance.id;
    metrics = build({
      stats: {
        instances: async () => [
          {
            id,
            state: 'ready',
            desiredState: 'run',
            attempts: 3,
            lastReadyAt: now - 7_000,
            lastEventAt: now - 2_000,
            missingFeatures: ['check_numbers'],
          },
          {
            id: 'INST-01-0000002',
            state: 'failed',
            desiredState: 'run',
            attempts: 0,
            lastReadyAt: null,
            lastEventAt: null,
            missingFeatures: [],
          },
        ],
        queues: async () => [{ instanceId: id, count: 11, scheduled: 12, oldestAt: now - 13_000 }],
        campaigns: async () => ({ byState: { running: 2 }, waiting: 14 }),
        webhooks: async () => ({
          endpoints: { working: 3, failing: 4, open: 5, disabled: 6 },
          waiting: { pending: 15, retry: 16 },
          oldestAt: now - 17_000,
        }),
      },
    });
    const expected = {
      'instances{state="ready"}': 1,
      'instances{state="failed"}': 1,
      'instances{state="qr"}': 0,
      [`instance_ready{instance="${id}"}`]: 1,
      'instance_ready{instance="INST-01-0000002"}': 0,
      [`instance_attempts{instance="${id}"}`]: 3,
      [`instance_last_ready_timestamp_seconds{instance="${id}"}`]: (now - 7_000) / 1000,
      [`instance_last_received_timestamp_seconds{instance="${id}"}`]: (now - 2_000) / 1000,
      [`instance_feature_missing{instance="${id}",feature="check_numbers"}`]: 1,
      [`instance_memory_bytes{instance="${id}",kind="rss"}`]: 9_000,
      [`queue_messages{instance="${id}"}`]: 11,
      [`scheduled_messages{instance="${id}"}`]: 12,
      [`queue_oldest_seconds{instance="${id}"}`]: 13,
      'campaigns{state="running"}': 2,
      'campaigns{state="paused"}': 0,
      campaign_recipients_waiting: 14,
      'webhook_endpoints{state="failing"}': 4,
      'webhook_endpoints{state="disabled"}': 6,
      'webhook_waiting{state="pending"}': 15,
      'webhook_waiting{state="retry"}': 16,
      webhook_oldest_seconds: 17,
      database_up: 1,
    };
    const found = await Promise.all(Object.keys(expected).map(async (name) => [name, await valueOf(name)] as const));
    expect(Object.fromEntries(found)).toEqual(expected);
    expect(await valueOf('instance_last_ready_timestamp_seconds{instance="INST-01-0000002"}')).toBeNull();
  });

  it('of the database are absent while it does not answer; the rest is there', async () => {
    await metrics.text();
    const broken = createStatsStore(opened.database);
    metrics = build({ stats: { ...broken, webhooks: () => Promise.reject(new Error('gone')) } });
    expect(await valueOf('database_up')).toBe(0);
    for (const name of ['instances{state="ready"}', 'webhook_oldest_seconds', 'campaign_recipients_waiting'])
      expect(await valueOf(name)).toBeNull();
    expect(await valueOf('build_info{version="1.2.3"}')).toBe(1);
  });

  it('are read once for scrapes that come together', async () => {
    let reads = 0;
    const stats = createStatsStore(opened.database);
    metrics = build({ stats: { ...stats, instances: () => ((reads += 1), stats.instances()) } });
    await Promise.all([metrics.text(), metrics.text(), metrics.text()]);
    expect(reads).toBe(1);
  });
});

it('says of every metric what it is', async () => {
  const text = await metrics.text();
  for (const [name, { type, help }] of Object.entries(metricTable)) {
    expect(text).toContain(`# HELP ${metricPrefix}${name} ${help}\n`);
    expect(text).toContain(`# TYPE ${metricPrefix}${name} ${type}\n`);
  }
});

it('has the process beside it when it is asked to', async () => {
  const text = await build({ withProcess: true }).text();
  for (const name of ['process_resident_memory_bytes', 'nodejs_eventloop_lag_p99_seconds', 'process_cpu_seconds_total'])
    expect(text).toMatch(new RegExp(`^${name} \\S+$`, 'm'));
});
