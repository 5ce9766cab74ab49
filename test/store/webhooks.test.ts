import { expect, it } from 'vitest';
import * as retrySchedule from '../../migrations/20261121156000_webhook_retry_schedule.ts';
import { createAccountStore } from '../../src/store/accounts.ts';
import { createWebhookStore } from '../../src/store/webhooks.ts';
import { forEachDatabase } from '../support/database.ts';

const row = (id: string, accountId: string) => ({
  id,
  account_id: accountId,
  url: 'http://127.0.0.1:1/',
  dialect: 'plain',
  events: '["message.received"]',
  enabled: true,
  is_default: false,
  created_at: 1,
});

forEachDatabase((open) => {
  it('gives endpoints of before the usual retries, and takes schedules away with their column', async () => {
    const { database, drop } = await open();
    const { id: accountId } = await createAccountStore(database).first(1);
    const store = createWebhookStore(database);
    const schedules = async () => (await store.ofAccount(accountId)).map(({ retrySeconds }) => retrySeconds);
    await retrySchedule.down(database.knex);
    expect(await database.knex.schema.hasColumn('webhook_endpoints', 'retry_seconds')).toBe(false);
    await database.knex('webhook_endpoints').insert([row('1', accountId), row('2', accountId), row('3', accountId)]);
    await retrySchedule.up(database.knex);
    expect(await schedules()).toEqual([null, null, null]);

    const longest = Array.from({ length: 20 }, () => 86_400);
    await store.update('1', { retrySeconds: longest });
    await store.update('2', { retrySeconds: [] });
    await store.update('3', { title: 'as it was' });
    expect(await schedules()).toEqual([longest, [], null]);
    await store.update('1', { retrySeconds: null });
    expect(await schedules()).toEqual([null, [], null]);

    await retrySchedule.down(database.knex);
    expect(await database.knex('webhook_endpoints').orderBy('id').pluck('id')).toEqual(['1', '2', '3']);
    await drop();
  });
});
