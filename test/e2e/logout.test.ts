import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bed, openBed } from '../support/bed.ts';
import { until } from '../support/clock.ts';
import { forEachDatabase } from '../support/database.ts';

const own = '255757000001';
const friend = '255757123456';
const senders = 12;

forEachDatabase((open) => {
  let bed: Bed;

  beforeAll(async () => void (bed = await openBed(open)));
  afterAll(() => bed?.close());

  const states = async (ids: string[]) => {
    const answers = ids.map((id) => bed.gateway.call('wap_bridge.api.whatsapp.message_status', { id }));
    return new Set((await Promise.all(answers)).map(({ json }) => json.status as string));
  };
  const sendTo = (to: string, message: string) =>
    bed.gateway.call('wap_bridge.api.whatsapp.send_api_message', { from_number: `+${own}`, to_number: to, message });

  it('refuses what is no chat at the call', async () => {
    await bed.gateway.link(own);
    const { status, json } = await sendTo('status@broadcast', 'Hello');
    expect(status).toBe(417);
    expect(json.message).toContain('status@broadcast is no chat');
  });

  it('doubts nothing by a logout in the middle of sending, and sends what waits by the next link', async () => {
    const { gateway } = bed;
    const network = gateway.app.sandbox!.network;
    const instanceId = (await gateway.call('wap_bridge.api.instances.list_instances')).json.instances[0].instance_id;
    const ids: string[] = [];
    const over = new AbortController();
    const running = Array.from({ length: senders }, async () => {
      while (!over.signal.aborted) {
        const { json } = await sendTo(`+${friend}`, 'Hello');
        if (json.service?.id) ids.push(json.service.id);
      }
    });
    await until('some went out', () => ids.length > 5 * senders);
    expect((await gateway.call('wap_bridge.api.instances.logout', { instance_id: instanceId })).status).toBe(200);
    over.abort();
    await Promise.all(running);
    expect(network.linked()).toEqual([]);
    for (const state of ['uncertain', 'failed', 'cancelled']) expect(await states(ids)).not.toContain(state);

    const { json } = await gateway.call('wap_bridge.api.instances.get_qr', { instance_id: instanceId });
    await network.link(json.qr, { phone: own });
    await until('all are there', () => network.messages({ phone: friend }).length === ids.length);
  });
});
