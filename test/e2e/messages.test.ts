import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { type Bed, openBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';
import type { TestGateway } from '../support/gateway.ts';

const own = '255757000001';
const friend = '255757123456';
const whatsapp = 'wap_bridge.api.whatsapp';

forEachDatabase((open) => {
  describe('messages over HTTP', () => {
    let bed: Bed;
    let gateway: TestGateway;
    let instanceId: string;

    beforeAll(async () => {
      bed = await openBed(open);
      ({ gateway } = bed);
      instanceId = await gateway.link(own);
    });
    afterAll(() => bed?.close());

    const call = (method: string, body: Record<string, unknown> = {}, headers?: Record<string, string>) =>
      gateway.call(`${whatsapp}.${method}`, body, headers);
    const send = (message: string, more: Record<string, unknown> = {}) =>
      call('send_api_message', { from_number: own, to_number: friend, message, ...more });
    const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();
    const arrived = (text: string) =>
      gateway.app.sandbox!.network.messages({ phone: friend }).filter((message) => message.text === text);
    const statusOf = async (id: string) => (await call('message_status', { id })).json.status as string;

    it('sends a scheduled message at its time and not before, under the id it was given', async () => {
      const at = inSeconds(4);
      const { json } = await send('in four seconds', { send_at: at });
      expect(json).toMatchObject({ ok: true, status: 'scheduled', send_at: at, service: { id: expect.any(String) } });
      expect((await call('message_status', { id: json.service.id })).json).toMatchObject({
        status: 'scheduled',
        send_at: at,
      });
      await until('it has arrived', () => arrived('in four seconds').length > 0);
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(at));
      expect(json.service.id).toContain(arrived('in four seconds')[0]!.id.split('_').at(-1));
    });

    it('cancels while it may, says the same twice, and 409 with the state when it is too late', async () => {
      const at = inSeconds(3);
      const { json } = await send('never', { send_at: at });
      const id = json.service.id as string;
      const cancelled = { status: 200, json: { ok: true, id, status: 'cancelled', reason: 'cancelled_by_caller' } };
      expect(await call('cancel_message', { id })).toMatchObject(cancelled);
      expect(await call('cancel_message', { id })).toMatchObject(cancelled);
      const gone = (await send('gone')).json.service.id as string;
      expect(await call('cancel_message', { id: gone })).toMatchObject({
        status: 409,
        json: {
          ok: false,
          exc_type: 'ValidationError',
          code: 'too_late',
          status: expect.stringMatching(/^(accepted|sent|delivered|read)$/),
          message: expect.stringContaining('cannot be cancelled any more'),
        },
      });
      await until('its time is over', () => Date.now() > Date.parse(at) + 500);
      expect(arrived('never')).toEqual([]);
      expect(await call('cancel_message', { id: 'NOSUCH' })).toMatchObject({ status: 404 });
    });

    it('survives a restart: what came due meanwhile goes out, what was cancelled does not', async () => {
      const due = (await send('due', { send_at: inSeconds(4) })).json.service.id as string;
      const dead = (await send('dead', { send_at: inSeconds(4) })).json.service.id as string;
      const far = (await send('far', { send_at: inSeconds(3_600) })).json.service.id as string;
      await call('cancel_message', { id: dead });
      await gateway.restart();
      await until('it has arrived', () => arrived('due').length > 0);
      expect(await statusOf(due)).not.toBe('scheduled');
      expect(await statusOf(far)).toBe('scheduled');
      expect(arrived('due')).toHaveLength(1);
      expect(arrived('dead')).toEqual([]);
      await call('cancel_message', { id: far });
    });

    it('takes send_at, ttl and priority from the static parameters of SMS Settings', async () => {
      const answer = await call('erpnext_notification_gateway', {
        to_number: `${friend}, 255757999888`,
        message: 'reminder',
        send_at: `${new Date().getUTCFullYear() + 1}-01-01 09:00:00`,
        priority: 'low',
        ttl: 60,
      });
      expect(answer.json).toMatchObject({
        ok: true,
        status: 'scheduled',
        ids: [expect.any(String), expect.any(String)],
      });
      const { json } = await call('get_message', { id: answer.json.ids[1] });
      expect(json).toMatchObject({
        direction: 'out',
        body: 'reminder',
        type: 'chat',
        priority: 'low',
        phone_number: '255757999888',
        instance_id: instanceId,
      });
      expect(Date.parse(json.expires_at) - Date.parse(json.send_at)).toBe(60_000);
      // 09:00 in Dar es Salaam, where the number is at home.
      expect(json.send_at).toMatch(/-01-01T06:00:00\.000Z$/);
      for (const id of answer.json.ids) await call('cancel_message', { id });
    });

    it('lists what was sent and received by chat, direction and state, page by page', async () => {
      gateway.app.sandbox!.network.receive({ from: friend, to: own, text: 'an answer' });
      const first = await send('listed 1');
      const second = await send('listed 2');
      const page = await call('list_messages', {
        chat: '0757 123 456',
        instance_id: instanceId,
        direction: 'out',
        // What is to come stands before it.
        until: new Date().toISOString(),
        limit: 1,
      });
      expect(page.json.messages).toMatchObject([
        { id: second.json.service.id, body: 'listed 2', chat_id: `${friend}@c.us` },
      ]);
      const rest = await call('list_messages', { chat: friend, direction: 'out', limit: 1, before: page.json.next });
      expect(rest.json.messages).toMatchObject([{ id: first.json.service.id, body: 'listed 1' }]);
      const cancelled = await call('list_messages', {
        status: ['cancelled'],
        since: new Date(Date.now() - 60_000).toISOString(),
      });
      expect(cancelled.json.messages.length).toBeGreaterThan(0);
      for (const message of cancelled.json.messages)
        expect(message).toMatchObject({ status: 'cancelled', reason: 'cancelled_by_caller' });
      for (const body of [
        { status: 'gone' },
        { limit: 501 },
        { since: 'yesterday' },
        { direction: 'both' },
        { chat: '12' },
      ])
        expect(await call('list_messages', body)).toMatchObject({ status: 417 });
    });

    it('keeps the log from tokens that may only send, and from those of another instance', async () => {
      const account = (await gateway.app.core.accounts.first()).id;
      const other = (await gateway.call('wap_bridge.api.instances.create_instance', {})).json.instance_id as string;
      const mine = (await send('not yours')).json.service.id as string;
      const made = async (input: { scope: 'send' | 'full'; instanceId?: string }) => {
        const { token, secret } = await gateway.app.core.tokens.create({ accountId: account, title: 't', ...input });
        return { Authorization: `token ${token.key}:${secret}` };
      };
      const sendOnly = await made({ scope: 'send' });
      for (const method of ['list_messages', 'get_message'])
        expect(await call(method, { id: mine }, sendOnly)).toMatchObject({ status: 403 });
      const bound = await made({ scope: 'full', instanceId: other });
      expect((await call('list_messages', {}, bound)).json.messages).toEqual([]);
      expect(await call('list_messages', { instance_id: instanceId }, bound)).toMatchObject({ status: 404 });
      for (const method of ['get_message', 'cancel_message', 'message_status'])
        expect(await call(method, { id: mine }, bound)).toMatchObject({ status: 404 });
      await gateway.call('wap_bridge.api.instances.delete_instance', { instance_id: other });
    });
  });
});
