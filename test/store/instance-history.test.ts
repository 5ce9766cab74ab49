import { afterEach, beforeEach, expect, it } from 'vitest';
import { createInstanceHistory } from '../../src/core/instance-history.ts';
import type { NewEvent } from '../../src/model/events.ts';
import type { Instance } from '../../src/model/instance.ts';
import { priorities } from '../../src/model/message.ts';
import { accountCaller } from '../../src/model/token.ts';
import { createInstanceHistoryStore } from '../../src/store/instance-history.ts';
import { createMessageStore } from '../../src/store/messages.ts';
import { announcerInto } from '../support/announcer.ts';
import { forEachDatabaseAndRepeated, type TestDatabase } from '../support/database.ts';
import { fullScans } from '../support/explain.ts';
import { buildInstance, buildMessage, newId } from '../support/factories.ts';

const dayMs = 86_400_000;

forEachDatabaseAndRepeated((open) => {
  let opened: TestDatabase;
  let instance: Instance;
  let now = 1_800_000_000_000;
  beforeEach(async () => {
    opened = await open();
    instance = await buildInstance(opened.database);
  });
  afterEach(() => opened.drop());

  function build() {
    const store = createInstanceHistoryStore(opened.database);
    const get = () => Promise.resolve(instance);
    const history = createInstanceHistory({ store, instances: () => ({ get }), clock: { now: () => now }, newId });
    const told: NewEvent[] = [];
    return { store, history, told, announcer: history.watch(announcerInto(told)) };
  }

  const event = (state: string, reason: string | null = null): NewEvent =>
    ({
      accountId: instance.accountId,
      instanceId: instance.id,
      type: 'instance.status',
      payload: { state, reason },
      orderKey: instance.id,
    }) as NewEvent;

  it('writes changes down with the event that tells them, or not at all', async () => {
    const { history, announcer, told } = build();
    await opened.database.transaction((trx) => announcer.enqueue(trx, [event('ready'), event('failed', 'no net')]));
    await opened.database
      .transaction(async (trx) => {
        await announcer.enqueue(trx, [event('qr')]);
        throw new Error('no');
      })
      .catch(() => undefined);
    const changes = await history.list(accountCaller(instance.accountId), instance.id, { limit: 10 });
    expect(changes.map(({ state, reason, createdAt }) => [state, reason, createdAt])).toEqual([
      ['failed', 'no net', now],
      ['ready', null, now],
    ]);
    expect(told).toHaveLength(2);
  });

  it('forgets them after 90 days', async () => {
    const { history, store, announcer } = build();
    await opened.database.transaction((trx) => announcer.enqueue(trx, [event('starting')]));
    now += 89 * dayMs;
    await opened.database.transaction((trx) => announcer.enqueue(trx, [event('ready')]));
    expect(await history.prune()).toBe(0);
    now += 2 * dayMs;
    expect(await history.prune()).toBe(1);
    const left = await store.list({ instanceId: instance.id, before: null, limit: 10 });
    expect(left.map(({ state }) => state)).toEqual(['ready']);
  });

  it('lists the newest messages that were not sent, without reading the rest', async () => {
    const { store } = build();
    const messages = createMessageStore(opened.database);
    const rows = [
      buildMessage(instance, { state: 'failed', reason: 'not_on_whatsapp', priority: priorities.bulk }),
      buildMessage(instance, { state: 'uncertain', reason: 'profile_lost' }),
      buildMessage(instance, { state: 'failed', reason: 'expired' }),
    ];
    await messages.insert(rows);
    for (let batch = 0; batch < 10; batch += 1)
      await messages.insert(Array.from({ length: 300 }, () => buildMessage(instance, { state: 'read' })));
    const statements = new Map<string, unknown[]>();
    opened.database.knex.on('query', ({ sql, bindings }: { sql: string; bindings: unknown[] }) =>
      statements.set(sql, bindings),
    );
    expect((await store.failures(instance.id, 2)).map(({ waId }) => waId)).toEqual([rows[2]!.waId, rows[1]!.waId]);
    expect(await fullScans(opened.database, statements)).toEqual([]);
  });
});
