import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client, Message } from 'whatsapp-web.js';
import { createTestBed, once, until } from './support.ts';
import type { TestBed } from './support.ts';

const PHONE = '491700000001';
const ANN = '491700000002';
let bed: TestBed;
let client: Client;

/** Resolves with the next message the client gets. */
async function nextMessage(): Promise<Message> {
  const [message] = await once(client, 'message');
  return message as Message;
}

beforeAll(async () => {
  bed = await createTestBed();
  client = await bed.start('a', { linkAs: PHONE, name: 'Shop' });
});
afterAll(() => bed?.close());

describe('messages', () => {
  it('sends text and tells of acks 1, 2 and 3 in order', async () => {
    const acks: number[] = [];
    client.on('message_ack', (_message, ack) => acks.push(ack));
    const sent = await client.sendMessage(`${ANN}@c.us`, 'hello');
    expect(sent.id.id).toMatch(/^3EB0[0-9A-F]{18}$/);
    expect(sent.ack).toBe(0);
    await until(() => acks.length === 3);
    expect(acks).toEqual([1, 2, 3]);
    client.removeAllListeners('message_ack');
    const [message] = bed.sandbox.network.messages({ phone: ANN });
    expect(message).toMatchObject({
      id: sent.id.id,
      type: 'chat',
      text: 'hello',
      from: `${PHONE}@c.us`,
      to: `${ANN}@c.us`,
      fromPhone: PHONE,
      toPhone: ANN,
      repeats: 0,
      acks: 3,
    });
  });

  it('sends under an id that the caller chose', async () => {
    const key = await client.pupPage?.evaluate(
      async (chatId, id) => {
        const page = window as unknown as { require(name: string): never; WWebJS: Record<string, CallableFunction> };
        const { createWid } = page.require('WAWebWidFactory') as { createWid(id: string): unknown };
        const { getMaybeMePnUser } = page.require('WAWebUserPrefsMeUser') as { getMaybeMePnUser(): unknown };
        const MsgKey = page.require('WAWebMsgKey') as new (parts: object) => { _serialized: string };
        const key = new MsgKey({ from: getMaybeMePnUser(), to: createWid(chatId), id, selfDir: 'out' });
        const chat = await page.WWebJS['getChat']?.(chatId, { getAsModel: false });
        await page.WWebJS['sendMessage']?.(chat, 'own id', { extraOptions: { id: key } });
        return key._serialized;
      },
      `${ANN}@c.us`,
      '3EB0AAAAAAAAAAAAAAAAAA',
    );
    expect(key).toBe(`true_${ANN}@c.us_3EB0AAAAAAAAAAAAAAAAAA`);
    await until(() =>
      bed.sandbox.network.messages().find(({ id, acks }) => id === '3EB0AAAAAAAAAAAAAAAAAA' && acks === 3),
    );
    expect((await client.getMessageById(String(key))).body).toBe('own id');
  });

  it('acknowledges as far as it is told to', async () => {
    bed.sandbox.network.setAcks(1);
    const sent = await client.sendMessage(`${ANN}@c.us`, 'unread');
    await until(async () => (await client.getMessageById(sent.id._serialized)).ack === 1);
    bed.sandbox.network.setAcks(3);
    expect(bed.sandbox.network.messages().find(({ id }) => id === sent.id.id)?.acks).toBe(1);
  });

  it('receives text with the name of its sender', async () => {
    const coming = nextMessage();
    bed.sandbox.network.receive({ to: PHONE, from: ANN, text: 'hi', name: 'Ann' });
    const message = await coming;
    expect(message).toMatchObject({
      body: 'hi',
      from: `${ANN}@c.us`,
      to: `${PHONE}@c.us`,
      fromMe: false,
      type: 'chat',
    });
    expect((await message.getContact()).pushname).toBe('Ann');
    const chat = await message.getChat();
    expect(chat).toMatchObject({ name: 'Ann', isGroup: false });
    expect(chat.lastMessage.body).toBe('hi');
  });

  it('tells the sender when a message was delivered and read', async () => {
    const coming = nextMessage();
    const { id } = bed.sandbox.network.receive({ to: PHONE, from: ANN, text: 'read me' });
    await coming;
    const acks = (): number | undefined => bed.sandbox.network.messages().find((message) => message.id === id)?.acks;
    await until(() => acks() === 2);
    await client.sendSeen(`${ANN}@c.us`);
    await until(() => acks() === 3);
    expect((await client.getChatById(`${ANN}@c.us`)).unreadCount).toBe(0);
  });

  it('takes the same id from the same sender once', async () => {
    const got: string[] = [];
    client.on('message', ({ body }) => got.push(body));
    bed.sandbox.network.receive({ to: PHONE, from: ANN, text: 'once', id: '3ADUPLICATE' });
    bed.sandbox.network.receive({ to: PHONE, from: ANN, text: 'once', id: '3ADUPLICATE' });
    bed.sandbox.network.receive({ to: PHONE, from: ANN, text: 'after' });
    await until(() => got.includes('after'));
    client.removeAllListeners('message');
    expect(got).toEqual(['once', 'after']);
    expect(bed.sandbox.network.messages().find(({ id }) => id === '3ADUPLICATE')?.repeats).toBe(1);
  });

  it('answers a message with a quote, and reads a quoted one', async () => {
    const coming = nextMessage();
    bed.sandbox.network.receive({ to: PHONE, from: ANN, text: 'question' });
    const question = await coming;
    const answer = await question.reply('answer');
    expect(answer.hasQuotedMsg).toBe(true);
    expect((await answer.getQuotedMessage()).body).toBe('question');
    const stored = await until(() => bed.sandbox.network.messages().find(({ id }) => id === answer.id.id));
    expect(stored.content).toMatchObject({ quotedStanzaID: question.id.id, quotedMsg: { body: 'question' } });
  });

  it('sends mentions, links and contact cards', async () => {
    const mention = await client.sendMessage(`${ANN}@c.us`, `@${ANN} https://example.com/x`, {
      mentions: [`${ANN}@c.us`],
    });
    expect(mention.links).toEqual([{ link: 'https://example.com/x', isSuspicious: false }]);
    const card = await client.sendMessage(`${ANN}@c.us`, 'BEGIN:VCARD\nVERSION:3.0\nFN:Bob\nEND:VCARD');
    expect(card.type).toBe('vcard');
    const place = await client.sendMessage(`${ANN}@c.us`, '', {
      extra: { type: 'location', lat: 1.5, lng: 2.5, loc: 'Here' },
    });
    const stored = await until(() => bed.sandbox.network.messages().find(({ id }) => id === place.id.id));
    expect(stored).toMatchObject({ type: 'location', content: { lat: 1.5, lng: 2.5 } });
  });

  it('finds numbers that exist and none that begin with 999', async () => {
    expect((await client.getNumberId('491700000055'))?._serialized).toBe('491700000055@c.us');
    expect(await client.getNumberId('999700000055')).toBeNull();
    expect(await client.isRegisteredUser('999700000055@c.us')).toBe(false);
  });

  it('fails a message to a number that does not exist', async () => {
    const failed = once(client, 'message_ack');
    await client.sendMessage('999700000055@c.us', 'nobody');
    expect((await failed)[1]).toBe(-1);
  });

  it('has a message in its journal before the sender hears of it', async () => {
    const journal = join(bed.dir, 'sandbox', 'network.jsonl');
    const heard = new Promise<boolean>((resolve) => {
      client.once('message_ack', (message) => resolve(readFileSync(journal, 'utf8').includes(message.id.id)));
    });
    await client.sendMessage(`${ANN}@c.us`, 'durable');
    expect(await heard).toBe(true);
  });

  it('leaves a message unanswered when nobody acknowledges, and answers when it comes again', async () => {
    bed.sandbox.network.setAcks(0);
    const sent = await client.sendMessage(`${ANN}@c.us`, 'silence');
    const stored = () => bed.sandbox.network.messages().find(({ id }) => id === sent.id.id);
    await until(stored);
    expect(stored()).toMatchObject({ acks: 0, repeats: 0 });
    bed.sandbox.network.setAcks(3);
    bed.sandbox.network.drop(PHONE, 50);
    await until(async () => (await client.getMessageById(sent.id._serialized)).ack === 1);
    expect(stored()).toMatchObject({ acks: 1, repeats: 1 });
  });

  it('answers what the library asks about chats and contacts', async () => {
    const contact = await client.getContactById(`${ANN}@c.us`);
    expect(contact).toMatchObject({ number: ANN, isUser: true, isGroup: false, isBlocked: false, isMe: false });
    expect((await client.getContactById(`${PHONE}@c.us`)).isMe).toBe(true);
    expect(await contact.getProfilePicUrl()).toBeUndefined();
    expect(await client.getFormattedNumber(ANN)).toBe(`+${ANN}`);
    expect((await client.getContacts()).length).toBeGreaterThan(0);
    const chat = await client.getChatById(`${ANN}@c.us`);
    await chat.sendStateTyping();
    await chat.archive();
    await client.sendPresenceAvailable();
    expect((await client.getChatById(`${ANN}@c.us`)).archived).toBe(true);
    expect((await chat.mute()).isMuted).toBe(true);
    expect(await client.getWWebVersion()).toBe('2.3000.0');
  });

  it('reconnects when it is told to', async () => {
    await client.resetState();
    await until(async () => (await client.getState()) === ('CONNECTED' as never));
    const sent = await client.sendMessage(`${ANN}@c.us`, 'after the reset');
    await until(() => bed.sandbox.network.messages().find(({ id, acks }) => id === sent.id.id && acks === 3));
  });

  it('lists chats and gives an earlier message of one', async () => {
    const chats = await client.getChats();
    const chat = chats.find(({ id }) => id._serialized === `${ANN}@c.us`);
    const messages = await chat?.fetchMessages({ limit: 100 });
    expect(messages?.map(({ body }) => body)).toContain('hello');
  });
});

describe('LIDs', () => {
  it('receives from a LID and is answered there', async () => {
    const coming = nextMessage();
    const { from } = bed.sandbox.network.receive({ to: PHONE, from: '491700000077', text: 'hi', as: 'lid' });
    const message = await coming;
    expect(message.from).toBe(from);
    expect(message.from).toMatch(/^\d+@lid$/);
    expect(await client.getContactLidAndPhone([from])).toEqual([{ lid: from, pn: '491700000077@c.us' }]);
    const answer = await message.reply('hello LID');
    const stored = await until(() =>
      bed.sandbox.network.messages().find(({ id, acks }) => id === answer.id.id && acks === 3),
    );
    expect(stored).toMatchObject({ to: from, toPhone: '491700000077' });
  });

  it('does not know the phone behind a hidden LID until it asks', async () => {
    const coming = nextMessage();
    const { from } = bed.sandbox.network.receive({
      to: PHONE,
      from: '491700000078',
      text: 'hi',
      as: 'lid',
      lidKnown: false,
    });
    await coming;
    const phone = (): Promise<string | undefined> =>
      client.pupPage?.evaluate(
        `String(window.require('WAWebApiContact').getPhoneNumber(window.require('WAWebWidFactory').createWid('${from}')))`,
      ) as Promise<string | undefined>;
    expect(await phone()).toBe('undefined');
    expect(await client.getContactLidAndPhone([from])).toEqual([{ lid: from, pn: '491700000078@c.us' }]);
    expect(await phone()).toBe('491700000078@c.us');
  });
});

describe('groups', () => {
  it('sends to a group, receives from a member, and tells who is in it', async () => {
    const { id } = bed.sandbox.network.createGroup({ subject: 'Staff', owner: PHONE, members: [ANN, '491700000003'] });
    const coming = nextMessage();
    bed.sandbox.network.receive({ to: PHONE, from: ANN, group: id, text: 'hi all' });
    const message = await coming;
    expect(message).toMatchObject({ from: id, author: `${ANN}@c.us`, body: 'hi all' });
    const chat = await message.getChat();
    expect(chat).toMatchObject({ isGroup: true, name: 'Staff' });
    const { participants } = chat as unknown as { participants: { id: { _serialized: string } }[] };
    expect(participants.map((member) => member.id._serialized).toSorted()).toEqual(
      [PHONE, ANN, '491700000003'].map((phone) => `${phone}@c.us`),
    );
    const sent = await client.sendMessage(id, 'hi');
    expect(sent.id._serialized).toBe(`true_${id}_${sent.id.id}_${PHONE}@c.us`);
    await until(async () => (await client.getMessageById(sent.id._serialized)).ack === 3);
    expect(bed.sandbox.network.messages().find((stored) => stored.id === sent.id.id)).toMatchObject({ group: id });
  });

  it('takes no message from somebody outside', () => {
    const { id } = bed.sandbox.network.createGroup({ subject: 'Closed', owner: PHONE, members: [ANN] });
    expect(() => bed.sandbox.network.receive({ to: PHONE, from: '491700000004', group: id, text: 'hi' })).toThrow(
      'not a member',
    );
  });
});
