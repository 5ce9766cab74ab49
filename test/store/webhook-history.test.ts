import { afterEach, beforeEach, expect, it } from 'vitest';
import type { EventType } from '../../src/model/events.ts';
import { createAccountStore } from '../../src/store/accounts.ts';
import { createWebhookHistory } from '../../src/store/webhook-history.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';

const endpointId = '01J00000000000000000000000';
const idOf = (number: number) => `01K${String(number).padStart(23, '0')}`;

forEachDatabase((open) => {
  let db: TestDatabase;
  beforeEach(async () => {
    db = await open();
  });
  afterEach(() => db.drop());

  /** Stores one event, delivery and attempt for each type, oldest first. */
  async function deliver(types: EventType[]): Promise<void> {
    const { knex } = db.database;
    const { id: account_id } = await createAccountStore(db.database).first(1);
    const row = { account_id, url: 'http://a/', dialect: 'plain', events: '[]', enabled: true, created_at: 1 };
    await knex('webhook_endpoints').insert({ ...row, id: endpointId });
    const rows = types.map((type, number) => ({ id: idOf(number), type, failed: number % 2 === 1 }));
    for (let at = 0; at < rows.length; at += 100) {
      const chunk = rows.slice(at, at + 100);
      await knex('events').insert(
        chunk.map(({ id, type }) => ({ id, account_id, type, payload: '{}', order_key: '', created_at: 1 })),
      );
      await knex('webhook_deliveries').insert(
        chunk.map(({ id, failed }) => ({
          id,
          endpoint_id: endpointId,
          event_id: id,
          order_key: '',
          state: failed ? 'failed' : 'delivered',
          due_at: 1,
          created_at: 1,
        })),
      );
      await knex('webhook_attempts').insert(
        chunk.map(({ id, failed }) => ({
          id,
          delivery_id: id,
          endpoint_id: endpointId,
          attempt: 1,
          status: failed ? 500 : 200,
          duration_ms: 1,
          created_at: 1,
        })),
      );
    }
  }

  it('finds a rare event among many, page after page, together with the other filters', async () => {
    const rare = new Set([3, 4, 600, 1201]);
    await deliver(
      Array.from({ length: 1300 }, (_, number) => (rare.has(number) ? 'instance.status' : 'message.received')),
    );
    const history = createWebhookHistory(db.database);
    const [endpointIds, events] = [[endpointId], ['instance.status' as const]];

    const first = await history.deliveries({ endpointIds, events, limit: 3 });
    expect(first.map(({ id, event }) => [id, event])).toEqual(
      [1201, 600, 4].map((number) => [idOf(number), 'instance.status']),
    );
    const rest = await history.deliveries({ endpointIds, events, limit: 3, before: first.at(-1)!.id });
    expect(rest.map(({ id }) => id)).toEqual([idOf(3)]);
    const failed = await history.deliveries({ endpointIds, events, states: ['failed'], limit: 9 });
    expect(failed.map(({ id }) => id)).toEqual([idOf(1201), idOf(3)]);

    const attempts = await history.attempts({ endpointIds, events, limit: 9 });
    expect(attempts.map(({ id }) => id)).toEqual([1201, 600, 4, 3].map(idOf));
    const refused = await history.attempts({ endpointIds, events, failed: true, limit: 1 });
    expect(refused.map(({ id }) => id)).toEqual([idOf(1201)]);
    expect(await history.deliveries({ endpointIds, events: ['webhook.disabled'], limit: 9 })).toEqual([]);
    expect(await history.deliveries({ endpointIds, events: ['instance.status', 'message.received'], limit: 1300 })).toHaveLength(1300); // prettier-ignore
    expect(await history.deliveries({ endpointIds, limit: 5 })).toHaveLength(5);
  });
});
