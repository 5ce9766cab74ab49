import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { lidOf } from '../../src/sandbox/address.ts';
import { until } from '../support/clock.ts';
import { type Bed, openBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { Receiver } from '../support/receiver.ts';

const own = '255757000001';
const friend = '255757123456';

forEachDatabase((open) => {
  let bed: Bed;
  let gateway: TestGateway;
  let receiver: Receiver;

  beforeAll(async () => {
    bed = await openBed(open);
    ({ gateway, receiver } = bed);
    await gateway.link(own);
  });

  beforeEach(() => void receiver.requests.splice(0));

  afterAll(() => bed?.close());

  const wants = async (...events: string[]) =>
    gateway.call('wap_bridge.api.settings.set_webhook', { url: receiver.url, events });
  const control = async (path: string, body: object) => {
    const { json } = await gateway.call('wap_bridge.api.instances.list_instances');
    const answer = await fetch(`${gateway.app.url}/sandbox/api/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ instance_id: json.instances[0].instance_id, ...body }),
    });
    return { status: answer.status, json: await answer.json() };
  };
  const bodies = async (count: number) =>
    (await receiver.received(count)).map(({ body }) => JSON.parse(body)) as Record<string, unknown>[];

  it('tells typing, presence, calls and pictures to who wants them', async () => {
    await wants('contact.typing', 'contact.presence', 'contact.picture', 'call.offered', 'call.ended');
    await control('signal', { type: 'recording', from: friend });
    await control('signal', { type: 'online', from: friend });
    await control('signal', { type: 'picture', from: friend, picture_id: '77' });
    const { json } = await control('signal', { type: 'call', from: friend });
    await control('signal', { type: 'call_end', from: friend, call_id: json.call_id, reason: 'busy' });
    const chat = `${friend}@c.us`;
    const all = await bodies(5);
    const of = (event: string) => all.find((body) => body.event === event);
    expect(of('contact.typing')).toMatchObject({
      phone_number: own,
      state: 'recording',
      sender_phone: friend,
      chat_id: chat,
    });
    expect(of('contact.presence')).toMatchObject({ state: 'online', sender: chat, sender_phone: friend });
    expect(of('contact.picture')).toMatchObject({
      chat_id: chat,
      chat_phone: friend,
      removed: false,
      picture_id: '77',
    });
    expect(of('call.offered')).toMatchObject({
      call_id: json.call_id,
      sender_phone: friend,
      platform: 'android',
      is_video: false,
    });
    expect(of('call.ended')).toMatchObject({ call_id: json.call_id, reason: 'busy' });

    // As in a message: Unix seconds. What is called …_at is ISO 8601, as in the API's answers.
    for (const event of ['contact.typing', 'contact.presence']) {
      const { timestamp } = of(event) as { timestamp: number };
      expect([event, Number.isInteger(timestamp) && Math.abs(timestamp - Date.now() / 1000) < 60]).toEqual([
        event,
        true,
      ]);
    }
    const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{12}Z$/);
    expect(of('call.offered')).toMatchObject({ offered_at: isoTime });
    expect(of('call.ended')).toMatchObject({ ended_at: isoTime });
  });

  it('finds the phone behind a LID that it has met, also when the page does not know it', async () => {
    await wants('call.offered');
    await bed.db.database
      .knex('lids')
      .insert({ lid: `${lidOf('255757555555')}@lid`, phone: '255757555555', seen_at: 1 });
    gateway.app.sandbox!.network.signal({ type: 'call', to: own, from: '255757555555', as: 'lid' });
    expect((await bodies(1))[0]).toMatchObject({
      sender: `${lidOf('255757555555')}@lid`,
      sender_phone: '255757555555',
    });
  });

  it('tells a call once, however often WhatsApp does', async () => {
    await wants('call.offered');
    const { callId } = gateway.app.sandbox!.network.signal({ type: 'call', to: own, from: friend });
    await bodies(1);
    await new Promise((resolve) => setTimeout(resolve, 150));
    gateway.app.sandbox!.network.signal({ type: 'call', to: own, from: friend, callId: callId! });
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(receiver.requests).toHaveLength(1);
  });

  it('writes no row for what nobody wants', async () => {
    await wants('message.received');
    const count = async () => Number((await bed.db.database.knex('events').count({ count: '*' }))[0]!.count);
    const before = await count();
    for (let index = 0; index < 300; index += 1)
      gateway.app.sandbox!.network.signal({
        type: 'presence',
        to: own,
        from: `2557571${String(index).padStart(5, '0')}`,
        isAvailable: true,
      });
    await new Promise((resolve) => setTimeout(resolve, 300));
    gateway.app.sandbox!.network.receive({ to: own, from: friend, text: 'after the flood' });
    await bodies(1);
    expect(await count()).toBe(before + 1);
  });

  it('tells how much came after a time away', async () => {
    await wants('instance.offline_sync');
    const { json } = await gateway.call('wap_bridge.api.instances.list_instances');
    const instance_id = json.instances[0].instance_id;
    await gateway.call('wap_bridge.api.instances.disconnect', { instance_id });
    for (let index = 0; index < 3; index += 1)
      gateway.app.sandbox!.network.receive({ to: own, from: friend, text: `${index}` });
    await gateway.call('wap_bridge.api.instances.connect', { instance_id });
    await gateway.waitUntilReady(instance_id);
    await until('both are told', () => receiver.requests.length === 2);
    expect(await bodies(2)).toMatchObject([
      { event: 'instance.offline_sync', phase: 'preview', messages: 3 },
      { event: 'instance.offline_sync', phase: 'completed' },
    ]);
  });

  it('says what the phone simulator does not understand', async () => {
    expect(await control('signal', { type: 'dance', from: friend })).toMatchObject({ status: 400 });
    expect(await control('edit', { message_id: 'nothing', text: 'x' })).toMatchObject({ status: 400 });
  });
});
