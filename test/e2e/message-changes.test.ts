import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { type Bed, openBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';
import type { TestGateway } from '../support/gateway.ts';
import type { Receiver } from '../support/receiver.ts';

const own = '255757000001';
const friend = '255757123456';
const events = ['message.received', 'message.sent', 'message.edited', 'message.revoked', 'message.reaction'];

forEachDatabase((open) => {
  let bed: Bed;
  let gateway: TestGateway;
  let receiver: Receiver;
  let instanceId: string;

  beforeAll(async () => {
    bed = await openBed(open);
    ({ gateway, receiver } = bed);
    instanceId = await gateway.link(own);
    await gateway.call('wap_bridge.api.settings.set_webhook', { url: receiver.url, events });
  });

  afterEach(() => void receiver.requests.splice(0));

  afterAll(() => bed?.close());

  const network = () => gateway.app.sandbox!.network;
  const told = (event: string) =>
    receiver.requests.map(({ body }) => JSON.parse(body)).filter((body) => body.event === event);
  const tells = async (event: string, count = 1) => {
    await until(`${count} ${event}`, () => told(event).length >= count);
    return told(event);
  };
  const quiet = () => new Promise((resolve) => setTimeout(resolve, 300));
  async function receive(text: string) {
    const message = network().receive({ to: own, from: friend, text });
    await tells('message.received');
    return message;
  }
  async function send(message: string): Promise<string> {
    const to = { instance_id: instanceId, to_number: friend, message };
    const { json } = await gateway.call('wap_bridge.api.whatsapp.send_api_message', to);
    const id = json.service.id as string;
    // WhatsApp Web has it by now; the network, which is asked to change it, has it a moment later.
    await until('it has arrived', () =>
      network()
        .messages()
        .some((one) => one.id === id.split('_')[2]),
    );
    return id;
  }

  it('tells an edit with the text before and after, and keeps the new text', async () => {
    const { id } = await receive('first');
    network().edit({ id, text: 'second' });
    const [edited] = await tells('message.edited');
    expect(edited).toMatchObject({
      instance_id: instanceId,
      phone_number: own,
      message: { id: `false_${friend}@c.us_${id}`, fromMe: false, body: 'second', previous_body: 'first' },
      chat_id: `${friend}@c.us`,
    });
    expect(Date.parse(edited.edited_at)).toBeGreaterThan(Date.now() - 60_000);
    network().edit({ id, text: 'third' });
    const all = await tells('message.edited', 2);
    expect(all[1].message).toMatchObject({ body: 'third', previous_body: 'second' });
    const row = await bed.db.database.knex('messages').where({ wa_id: id }).first();
    expect(JSON.parse(row.content)).toEqual({ type: 'text', text: 'third' });
  });

  it('tells who deleted a message, for everyone and on the phone alone', async () => {
    const theirs = await receive('take this back');
    network().revoke({ id: theirs.id });
    expect((await tells('message.revoked'))[0]).toMatchObject({
      message: { id: `false_${friend}@c.us_${theirs.id}`, fromMe: false },
      revoked_by: 'sender',
      sender: `${friend}@c.us`,
      sender_phone: friend,
    });
    receiver.requests.length = 0;
    const other = await receive('delete me here');
    network().revoke({ id: other.id, by: own, forMe: true });
    expect((await tells('message.revoked'))[0]).toMatchObject({ revoked_by: 'me', sender: null });
    await quiet();
    expect(told('message.revoked')).toHaveLength(1);
  });

  it('tells a reaction, its change and its removal, whoever wrote the message', async () => {
    const id = await send('how was it?');
    const bare = id.split('_')[2]!;
    network().react({ id: bare, by: friend, emoji: '👍' });
    await tells('message.reaction', 1);
    network().react({ id: bare, by: friend, emoji: '❤️' });
    await tells('message.reaction', 2);
    network().react({ id: bare, by: friend, emoji: '' });
    const all = await tells('message.reaction', 3);
    expect(all.map(({ reaction, previous_reaction }) => [reaction, previous_reaction])).toEqual([
      ['👍', null],
      ['❤️', '👍'],
      [null, '❤️'],
    ]);
    expect(all[0]).toMatchObject({ message: { id, fromMe: true }, sender_phone: friend, from_me: false });
    network().react({ id: bare, by: own, emoji: '🎉' });
    expect((await tells('message.reaction', 4))[3]).toMatchObject({ reaction: '🎉', from_me: true, sender_phone: own });
  });

  it('takes a reaction from the phone and one from the LID for the same person’s', async () => {
    const { id } = await receive('who is it?');
    network().react({ id, by: friend, emoji: '👍' });
    await tells('message.reaction');
    network().react({ id, by: friend, emoji: '👍', as: 'lid' });
    await quiet();
    expect(told('message.reaction')).toHaveLength(1);
  });

  it('tells what is written on the phone itself, with its file, and takes it for no answer of the customer', async () => {
    const file = { data: Buffer.from('%PDF-1.4\n%%EOF\n'), mimeType: 'application/pdf', filename: 'offer.pdf' };
    network().write({ from: own, to: friend, text: 'STOP by tomorrow' });
    network().write({ from: own, to: friend, media: { ...file, caption: 'our offer' } });
    const [text, document] = await tells('message.sent', 2);
    expect(text).toMatchObject({
      message: { from: `${own}@c.us`, to: `${friend}@c.us`, body: 'STOP by tomorrow', fromMe: true, type: 'chat' },
      chat_id: `${friend}@c.us`,
    });
    expect(document.message).toMatchObject({ hasMedia: true, caption: 'our offer', media: { filename: 'offer.pdf' } });
    const status = await gateway.call('wap_bridge.api.whatsapp.message_status', { id: text.message.id });
    expect(status.json.status).toMatch(/^(sent|delivered|read)$/);
    expect(told('message.received')).toEqual([]);
  });

  it('does not tell of its own messages as if they were written on the phone', async () => {
    await send('from the gateway');
    await quiet();
    expect(told('message.sent')).toEqual([]);
  });

  it('edits on the phone what the gateway has sent', async () => {
    const id = await send('Invoise 7');
    network().edit({ id: id.split('_')[2]!, text: 'Invoice 7' });
    expect((await tells('message.edited'))[0].message).toMatchObject({ id, fromMe: true, body: 'Invoice 7' });
  });

  it('finds after a restart what was changed meanwhile, once', async () => {
    const edited = await receive('before');
    receiver.requests.length = 0;
    const revoked = await receive('to be deleted');
    const sent = (await send('react to me')).split('_')[2]!;
    await gateway.call('wap_bridge.api.instances.disconnect', { instance_id: instanceId });
    network().edit({ id: edited.id, text: 'after' });
    network().revoke({ id: revoked.id });
    network().react({ id: sent, by: friend, emoji: '👍' });
    network().write({ from: own, to: friend, text: 'written while away' });
    await gateway.call('wap_bridge.api.instances.connect', { instance_id: instanceId });
    await gateway.waitUntilReady(instanceId);
    await tells('message.edited');
    await tells('message.revoked');
    await tells('message.reaction');
    await tells('message.sent');
    await gateway.restart();
    await gateway.waitUntilReady(instanceId);
    await quiet();
    expect(told('message.edited').map(({ message }) => message.body)).toEqual(['after']);
    expect(told('message.revoked')).toHaveLength(1);
    expect(told('message.reaction')).toHaveLength(1);
    expect(told('message.sent')).toHaveLength(1);
  });

  it('tells nothing when a message is deleted by somebody who may not, or is not known', async () => {
    const { id } = await receive('mine');
    expect(() => network().revoke({ id, by: '255757999999' })).toThrow('may not delete');
    await bed.db.database.knex('messages').where({ wa_id: id }).delete();
    network().edit({ id, text: 'changed' });
    await quiet();
    expect(told('message.edited')).toEqual([]);
  });
});
