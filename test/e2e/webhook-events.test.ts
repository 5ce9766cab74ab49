import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventTable } from '../../src/model/events.ts';
import { type Bed, openBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';

forEachDatabase((open) => {
  let bed: Bed;
  beforeAll(async () => void (bed = await openBed(open)));
  afterAll(() => bed?.close());

  const call = (name: string, body: Record<string, unknown>) =>
    bed.gateway.call(`wap_bridge.api.settings.${name}`, body);

  it('gives a receiver that asks for all events each of them, also by another word and beside others', async () => {
    const { json } = await call('create_webhook', { url: bed.receiver.url, events: ['instance.status', 'all'] });
    expect(json.events).toEqual(['*']);
    for (const events of ['*', ['all'], '["ALL"]', ' all '])
      expect((await call('update_webhook', { webhook_id: json.webhook_id, events })).json.events).toEqual(['*']);
    expect((await call('set_webhook', { url: bed.receiver.url, events: 'all' })).json.events).toEqual(['*']);
    await call('set_webhook', { url: '' });

    const { core } = bed.gateway.app;
    const { id: accountId } = await core.accounts.first();
    const event = { accountId, instanceId: null, orderKey: 'a' };
    await bed.db.database.transaction((trx) =>
      core.webhooks.enqueue(trx, [
        { ...event, type: 'contact.opted_out', payload: { phone: '255757123456', source: 'STOP' } },
        { ...event, type: 'instance.status', payload: { state: 'ready', reason: null } },
      ]),
    );
    const bodies = (await bed.receiver.received(2)).map(({ body }) => (JSON.parse(body) as { event: string }).event);
    expect(bodies.toSorted()).toEqual(['contact.opted_out', 'instance.status']);
  });

  it.each([
    ['create_webhook', 'events'],
    ['set_webhook', 'events'],
    ['list_webhook_deliveries', 'event'],
    ['list_webhook_attempts', 'event'],
  ])('%s names the events that there are not, once, and those that there are', async (method, field) => {
    const wrong = ['message.recieved', 'instance.status', 'nonsense'];
    const { status, json } = await call(method, { url: bed.receiver.url, [field]: wrong });
    expect([status, json.code]).toEqual([417, 'invalid_input']);
    expect(json.fields).toEqual({ [field]: json.message });
    expect(json.message).toMatch(/^There is no event message\.recieved, nonsense: choose from /);
    for (const event of Object.keys(eventTable)) expect(json.message.split(event)).toHaveLength(2);
  });

  it('names unknown actions of the audit log in the same way', async () => {
    const { status, json } = await call('list_audit', { action: 'webhook.eaten' });
    expect(status).toBe(417);
    expect(json.message).toMatch(/^There is no action webhook\.eaten: choose from .*webhook\.updated/);
  });
});
