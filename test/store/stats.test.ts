import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Instance } from '../../src/model/instance.ts';
import { priorities } from '../../src/model/message.ts';
import { createMessageStore } from '../../src/store/messages.ts';
import { countLimit, createStatsStore, type StatsStore } from '../../src/store/stats.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { fullScans } from '../support/explain.ts';
import { buildInstance, buildMessage } from '../support/factories.ts';
import { createIdSource } from '../../src/model/ids.ts';

forEachDatabase((open) => {
  let opened: TestDatabase;
  let stats: StatsStore;
  let instance: Instance;
  beforeEach(async () => {
    opened = await open();
    stats = createStatsStore(opened.database);
    instance = await buildInstance(opened.database);
  });
  afterEach(() => opened.drop());

  const idAt = (at: number) => createIdSource(() => at)();
  const now = 1_800_000_000_000;

  describe('the queue', () => {
    it('is counted for each instance, with the time of its oldest message of any priority', async () => {
      const other = await buildInstance(opened.database);
      const messages = createMessageStore(opened.database);
      await messages.insert([
        buildMessage(instance, { id: idAt(now), createdAt: now, priority: priorities.otp }),
        buildMessage(instance, { id: idAt(now - 60_000), createdAt: now - 60_000, priority: priorities.bulk }),
        buildMessage(instance, { id: idAt(now - 99_000), createdAt: now - 99_000, sendAt: now - 5_000 }),
        buildMessage(instance, { id: idAt(now - 98_000), state: 'scheduled', sendAt: now + 5_000 }),
        buildMessage(instance, { id: idAt(now - 90_000), state: 'accepted' }),
        buildMessage(instance, { id: idAt(now - 90_000), state: 'sending' }),
      ]);
      expect(await stats.queues([instance.id, other.id])).toEqual([
        { instanceId: instance.id, count: 3, scheduled: 1, oldestAt: now - 60_000 },
        { instanceId: other.id, count: 0, scheduled: 0, oldestAt: null },
      ]);
      expect(await stats.queues([])).toEqual([]);
    });

    it('of more instances than one statement takes is told of each', async () => {
      const ids = Array.from({ length: 120 }, (_, index) => `INST-01-${index}`);
      const queues = await stats.queues([...ids, instance.id]);
      expect(queues.map(({ instanceId }) => instanceId)).toEqual([...ids, instance.id]);
    });

    it('is counted up to the limit', async () => {
      const newId = createIdSource(() => now);
      const rows = Array.from({ length: countLimit + 50 }, () =>
        buildMessage(instance, { id: newId(), createdAt: now }),
      );
      const messages = createMessageStore(opened.database);
      await opened.database.transaction(async (trx) => {
        for (let at = 0; at < rows.length; at += 400) await messages.insert(rows.slice(at, at + 400), trx);
      });
      expect(await stats.queues([instance.id])).toEqual([
        { instanceId: instance.id, count: countLimit, scheduled: 0, oldestAt: now },
      ]);
    });
  });

  it('tells how webhook receivers do and what waits for those that are not disabled', async () => {
    const { knex } = opened.database;
    const endpoint = (id: string, patch: object) => ({
      id: id.padEnd(26, '0'),
      account_id: instance.accountId,
      url: 'http://r',
      dialect: 'wapbridge',
      events: '[]',
      enabled: true,
      fail_streak: 0,
      open_until: null,
      created_at: now,
      ...patch,
    });
    await knex('webhook_endpoints').insert([
      endpoint('working', { open_until: now - 1 }),
      endpoint('failing', { fail_streak: 2 }),
      endpoint('open', { fail_streak: 7, open_until: now + 1_000 }),
      endpoint('disabled', { enabled: false, open_until: now + 1_000 }),
    ]);
    const delivery = (endpointId: string, state: string, at: number) => ({
      id: idAt(at),
      endpoint_id: endpointId.padEnd(26, '0'),
      event_id: idAt(at),
      order_key: 'k',
      state,
      due_at: at,
      created_at: at,
    });
    await knex('webhook_deliveries').insert([
      delivery('working', 'pending', now - 1_000),
      delivery('working', 'delivered', now - 9_000),
      delivery('open', 'retry', now - 5_000),
      delivery('open', 'pending', now - 4_000),
      delivery('open', 'failed', now - 9_000),
      delivery('disabled', 'pending', now - 99_000),
    ]);
    expect(await stats.webhooks(now)).toEqual({
      endpoints: { working: 1, failing: 1, open: 1, disabled: 1 },
      waiting: { pending: 2, retry: 1 },
      oldestAt: now - 5_000,
    });
  });

  it('leaves out deleted instances, and tells what the page of the others lacks', async () => {
    const gone = await buildInstance(opened.database);
    await opened.database.knex('instances').where({ id: gone.id }).update({ deleted_at: now });
    await opened.database
      .knex('instances')
      .where({ id: instance.id })
      .update({
        self_test: JSON.stringify({
          webVersion: '2',
          missing: { check_numbers: ['X'], labels: ['Y'] },
          shims: [],
          tookMs: 1,
        }),
      });
    expect(await stats.instances()).toMatchObject([
      { id: instance.id, state: 'ready', desiredState: 'run', attempts: 0, missingFeatures: ['check_numbers'] },
    ]);
  });

  it('counts campaigns by state, and who waits in the running ones', async () => {
    const campaign = (id: number, state: string, waiting: number) => ({
      id,
      account_id: instance.accountId,
      instance_id: instance.id,
      name: 'Promo',
      template: '{}',
      options: '{}',
      state,
      n_queued: waiting,
      created_at: now,
    });
    expect(await stats.campaigns()).toEqual({ byState: {}, waiting: 0 });
    await opened.database
      .knex('campaigns')
      .insert([campaign(1, 'running', 10), campaign(2, 'running', 5), campaign(3, 'paused', 100)]);
    expect(await stats.campaigns()).toEqual({ byState: { running: 2, paused: 1 }, waiting: 15 });
  });

  it('reads no large table from end to end', async () => {
    const messages = createMessageStore(opened.database);
    for (let batch = 0; batch < 10; batch += 1)
      await messages.insert(Array.from({ length: 300 }, () => buildMessage(instance, { state: 'read' })));
    const statements = new Map<string, unknown[]>();
    opened.database.knex.on('query', ({ sql, bindings }: { sql: string; bindings: unknown[] }) =>
      statements.set(sql, bindings),
    );
    await opened.database.knex('webhook_endpoints').insert({
      id: 'e'.padEnd(26, '0'),
      account_id: instance.accountId,
      url: 'http://r',
      dialect: 'wapbridge',
      events: '[]',
      enabled: true,
      created_at: now,
    });
    await stats.queues([instance.id]);
    await stats.webhooks(now);
    expect([...statements.keys()].filter((sql) => /messages|webhook_deliveries/.test(sql))).toHaveLength(2);
    expect(await fullScans(opened.database, statements)).toEqual([]);
  });
});
