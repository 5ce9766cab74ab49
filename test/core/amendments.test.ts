import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Amendments, createAmendments } from '../../src/core/amendments.ts';
import type { NewEvent } from '../../src/model/events.ts';
import type { Instance } from '../../src/model/instance.ts';
import { parseJid } from '../../src/model/jid.ts';
import type { Message } from '../../src/model/message.ts';
import { createAmendmentStore } from '../../src/store/amendments.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createMessageStore } from '../../src/store/messages.ts';
import type { Amendment } from '../../src/whatsapp/client.ts';
import { announcerInto } from '../support/announcer.ts';
import { createScriptedClient } from '../support/client.ts';
import { createTestClock, until } from '../support/clock.ts';
import { forEachDatabaseAndRepeated, type TestDatabase } from '../support/database.ts';
import { buildInstance, buildMessage } from '../support/factories.ts';

const chat = parseJid('255757123456@c.us')!;
const lid = parseJid('123456789012345@lid')!;

forEachDatabaseAndRepeated((open) => {
  let opened: TestDatabase;
  let instance: Instance;
  let amendments: Amendments;
  let events: NewEvent[];
  let failing: number;
  let announced: () => Promise<void>;

  beforeEach(async () => {
    opened = await open();
    instance = await buildInstance(opened.database);
    events = [];
    failing = 0;
    announced = async () => undefined;
    amendments = createAmendments({
      database: opened.database,
      store: createAmendmentStore(opened.database),
      instances: createInstanceStore(opened.database),
      announcer: {
        enqueue: async (trx, added) => {
          if (failing-- > 0) throw new Error('the database is away');
          await announcerInto(events).enqueue(trx, added);
        },
      },
      announced: () => announced(),
      clock: createTestClock(),
      log: pino({ level: 'silent' }),
    });
  });

  afterEach(() => opened.drop());

  async function stored(patch: Partial<Message> = {}): Promise<Message> {
    const message = buildMessage(instance, { chat, state: 'sent', ...patch });
    await createMessageStore(opened.database).insert([message]);
    return message;
  }
  const rowOf = async (message: Message) => (await createMessageStore(opened.database).byId(message.id))!;
  const take = async (...list: Amendment[]) => {
    amendments.take(instance.id, list);
    await amendments.settled();
  };
  const edit = ({ waId }: Message, text: string, editedAt: number): Amendment => ({
    type: 'edited',
    waId,
    chats: [chat, lid],
    text,
    editedAt,
  });
  const react = ({ waId }: Message, emoji: string, reactedAt: number, sender = chat): Amendment => ({
    type: 'reacted',
    waId,
    chats: [chat],
    sender,
    senderPhone: '255757123456',
    fromMe: false,
    emoji,
    reactedAt,
  });
  const revoke = ({ waId }: Message, revokedAt: number): Amendment => ({
    type: 'revoked',
    waId,
    chats: [chat],
    by: 'sender',
    sender: chat,
    senderPhone: '255757123456',
    revokedAt,
  });

  it('writes an edit once, whatever order and however often it comes', async () => {
    const message = await stored({ content: { type: 'text', text: 'one' } });
    await take(edit(message, 'three', 3_000), edit(message, 'two', 2_000), edit(message, 'three', 3_000));
    await take(edit(message, 'three', 3_000));
    expect(events.map(({ payload }) => payload)).toEqual([
      { messageId: message.id, text: 'three', previousText: 'one', editedAt: 3_000 },
    ]);
    expect(await rowOf(message)).toMatchObject({ content: { type: 'text', text: 'three' }, editedAt: 3_000 });
  });

  it('edits the caption of a file, and keeps the file', async () => {
    const media = { mediaId: 'M', mimeType: 'image/png', sizeBytes: 3 };
    const message = await stored({ content: { type: 'image', media, caption: 'one' } });
    await take(edit(message, 'two', 2_000));
    expect((await rowOf(message)).content).toEqual({ type: 'image', media, caption: 'two' });
  });

  it('finds the message under whichever address its chat has, and no message of another chat', async () => {
    const byLid = await stored({ chat: lid });
    const elsewhere = await stored({ chat: parseJid('255757999999@c.us')! });
    await take(edit(byLid, 'changed', 1_000), edit(elsewhere, 'changed', 1_000));
    expect(events.map(({ payload }) => payload)).toMatchObject([{ messageId: byLid.id }]);
  });

  it('tells of a deletion once', async () => {
    const message = await stored();
    await take(revoke(message, 5_000), revoke(message, 6_000));
    await take(revoke(message, 7_000));
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ type: 'message.revoked', payload: { by: 'sender', revokedAt: 5_000 } });
    expect((await rowOf(message)).revokedAt).toBe(5_000);
  });

  it('keeps the newest reaction of each person, and tells what it was before', async () => {
    const message = await stored();
    await take(react(message, '👍', 1_000), react(message, '❤️', 3_000), react(message, '😂', 2_000));
    await take(react(message, '❤️', 4_000, lid), react(message, '', 5_000), react(message, '', 6_000));
    expect(
      events.map(({ payload }) => [
        (payload as { emoji: string }).emoji,
        (payload as { previousEmoji: string }).previousEmoji,
      ]),
    ).toEqual([
      ['👍', null],
      ['❤️', '👍'],
      [null, '❤️'],
    ]);
  });

  it('says nothing of a reaction that was taken back before it was known', async () => {
    await take(react(await stored(), '', 1_000));
    expect(events).toEqual([]);
  });

  it('waits for the message that is being fetched, and keeps what comes while the database is away', async () => {
    const message = await stored();
    let release: () => void = () => undefined;
    announced = () => new Promise((resolve) => (release = resolve));
    failing = 2;
    amendments.take(instance.id, [edit(message, 'later', 1_000)]);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(failing).toBe(2);
    announced = async () => undefined;
    release();
    await amendments.settled();
    expect(events).toHaveLength(1);
  });

  it('asks a page once about recent messages', async () => {
    const message = await stored();
    await stored({ createdAt: Date.now(), state: 'queued' });
    const client = createScriptedClient(() => undefined);
    const asked: string[][] = [];
    client.amended = async (keys) => {
      asked.push(keys.map(({ waKey }) => waKey));
      return [edit(message, 'found', 1_000)];
    };
    await amendments.catchUp(instance.id, client);
    await amendments.catchUp(instance.id, client);
    await until('it is told', () => events.length === 1);
    expect(asked).toEqual([[message.waKey]]);
  });

  it('loses its reactions with the message', async () => {
    const message = await stored();
    await take(react(message, '👍', 1_000));
    await opened.database.knex('messages').where({ id: message.id }).delete();
    expect(await opened.database.knex('message_reactions')).toEqual([]);
  });
});
