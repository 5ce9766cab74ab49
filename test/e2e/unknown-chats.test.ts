import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Bed, openBed } from '../support/bed.ts';
import { until } from '../support/clock.ts';
import { forEachDatabase } from '../support/database.ts';

const own = '255757000001';
const friend = '255757123456';

forEachDatabase((open) => {
  let bed: Bed;
  beforeAll(async () => {
    bed = await openBed(open);
    await bed.gateway.link(own);
  }, 60_000);
  afterAll(() => bed?.close());

  const network = () => bed.gateway.app.sandbox!.network;
  const call = (method: string, body: Record<string, unknown>) =>
    bed.gateway.call(`wap_bridge.api.whatsapp.${method}`, body);
  const send = (to_number: string, more: Record<string, unknown> = {}) =>
    call('send_api_message', { from_number: own, to_number, message: 'hi', ...more });
  const stateOf = async (id: string) => (await call('message_status', { id })).json;

  it.each([
    ['a group that does not exist', () => '120363000000000999@g.us', 'There is no group 120363000000000999'],
    [
      'a group that the number is not in',
      () => network().createGroup({ subject: 'Others', owner: friend, members: ['255757999888'] }).id,
      'There is no group',
    ],
    ['a number that is not on WhatsApp', () => '999757123456@c.us', '999757123456 is not on WhatsApp'],
    ['a LID that nobody has', () => '999999999999999@lid', '999999999999999 is not on WhatsApp'],
    ['a channel that does not exist', () => '120363000000000999@newsletter', 'WhatsApp Web has no chat with'],
  ])('says at once that there is no such chat: %s', async (_what, to, words) => {
    const startedAt = performance.now();
    const { status, json } = await send(to());
    expect([status, json.code]).toEqual([417, 'not_on_whatsapp']);
    expect(json.message).toContain(words);
    // It used to try five times, for longer than a caller waits.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    const { messages } = (await call('list_messages', { limit: 1 })).json;
    expect(messages[0]).toMatchObject({
      status: 'failed',
      reason: expect.stringMatching(/^(not_on_whatsapp|chat_not_found)$/),
    });
  });

  it('says at once that a picture is none', async () => {
    const picture = { media_data: 'iVBORw0KGgo=', mime_type: 'image/png', message: undefined };
    const startedAt = performance.now();
    const { status, json } = await send(friend, picture);
    expect([status, json.code]).toEqual([417, 'invalid_media']);
    expect(json.message).toBe('WhatsApp Web cannot read the file: it is damaged, or not of its type');
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    const { messages } = (await call('list_messages', { limit: 1 })).json;
    expect(messages[0]).toMatchObject({ status: 'failed', reason: 'media_unreadable' });
  });

  it('tells who did not wait by the status', async () => {
    const { json } = await send('120363000000000998@g.us', { wait: 0 });
    await until('it has ended', async () => (await stateOf(json.service.id)).status === 'failed');
    expect(await stateOf(json.service.id)).toMatchObject({ reason: 'chat_not_found' });
  });

  it('writes to a group that the number is in, also one that it has come into just now', async () => {
    const { id } = network().createGroup({ subject: 'Ours', owner: friend, members: [own] });
    expect(await send(id)).toMatchObject({ status: 200, json: { ok: true } });
    await until('it has arrived', () =>
      network()
        .messages({ phone: friend })
        .some((message) => message.to === id),
    );
  });

  it('does not take a line that is down for a group that is not there', async () => {
    network().drop(own, 3_000);
    const { status, json } = await send('120363000000000997@g.us', { wait: 1 });
    expect([status, json.status]).toEqual([200, 'queued']);
    await until('it has ended', async () => (await stateOf(json.service.id)).status === 'failed', 30_000);
    expect(await stateOf(json.service.id)).toMatchObject({ reason: 'chat_not_found' });
  });
});
