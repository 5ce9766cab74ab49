import { afterAll, beforeAll, expect, it } from 'vitest';
import { createInstanceStore } from '../../src/store/instances.ts';
import { until } from '../support/clock.ts';
import { type Bed, openBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { Receiver } from '../support/receiver.ts';

const hourMs = 3_600_000;

forEachDatabase((open) => {
  let bed: Bed;
  let gateway: TestGateway;
  let receiver: Receiver;
  let instance_id: string;

  beforeAll(async () => {
    bed = await openBed(open);
    ({ gateway, receiver } = bed);
    instance_id = await gateway.link('255757000001');
  });

  afterAll(() => bed?.close());

  const rpc = async (method: string, body: object = {}) =>
    (await gateway.call(`wap_bridge.api.${method}`, { instance_id, ...body })).json;

  it('keeps to a pause over a restart of the gateway, until a person asks, and tells of every change', async () => {
    await rpc('settings.set_webhook', { url: receiver.url, events: ['instance.status'], instance_id: null });
    const nextAttemptAt = Date.now() + hourMs;
    await gateway.app.close();
    await createInstanceStore(bed.db.database).update(instance_id, {
      state: 'action_required',
      reason: 'The proxy does not answer',
      actionCode: 'proxy_unreachable',
      attempts: 7,
      nextAttemptAt,
    });
    await gateway.restart();

    const paused = {
      status: 'action_required',
      action: 'proxy_unreachable',
      reason: 'The proxy does not answer',
      attempts: 7,
      next_attempt_at: new Date(nextAttemptAt).toISOString(),
    };
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await rpc('instances.instance_status')).toMatchObject(paused);

    await rpc('instances.connect');
    await gateway.waitUntilReady(instance_id);
    expect(await rpc('instances.instance_status')).toMatchObject({
      status: 'ready',
      action: null,
      reason: null,
      attempts: 0,
      next_attempt_at: null,
    });
    const told = () => receiver.requests.map(({ body }) => JSON.parse(body.toString()) as Record<string, unknown>);
    await until('all is told', () => told().at(-1)?.['status'] === 'ready');
    expect(told().map(({ status }) => status)).toEqual(['starting', 'authenticating', 'ready']);
  });

  it('changes settings of an instance, keeps its proxy sealed, and says when a restart is needed', async () => {
    const changed = await rpc('instances.update_instance', {
      title: 'Front desk',
      default_country: 'tz',
      on_conflict: 'takeover',
      proxy_url: 'http://me:hush@127.0.0.1:9',
    });
    expect(changed).toMatchObject({
      title: 'Front desk',
      on_conflict: 'takeover',
      has_proxy: true,
      restart_needed: true,
    });
    expect(await rpc('instances.update_instance', { proxy_url: '', default_country: '' })).toMatchObject({
      has_proxy: false,
      title: 'Front desk',
    });
    const renamed = await rpc('instances.update_instance', { title: 'Shop' });
    expect(renamed).toMatchObject({ title: 'Shop', restart_needed: false });
    const refused = await rpc('instances.update_instance', { proxy_url: 'ftp://proxy' });
    expect(refused.message).toContain('http, https or socks5');
    expect((await rpc('instances.update_instance', { default_country: 'XX' })).ok).not.toBe(true);
  });
});
