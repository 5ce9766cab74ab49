import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createInbox, type Inbox } from '../../src/core/inbox.ts';
import type { NewEvent } from '../../src/model/events.ts';
import type { Instance } from '../../src/model/instance.ts';
import { parseJid } from '../../src/model/jid.ts';
import type { Message } from '../../src/model/message.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createLidStore } from '../../src/store/lids.ts';
import { createMessageStore, type MessageStore } from '../../src/store/messages.ts';
import { announcerInto } from '../support/announcer.ts';
import { createScriptedClient, type ScriptedClient } from '../support/client.ts';
import { createTestClock, until } from '../support/clock.ts';
import { forEachDatabaseAndRepeated, type TestDatabase } from '../support/database.ts';
import { buildInstance, buildReceived, newId } from '../support/factories.ts';

forEachDatabaseAndRepeated((open) => {
  let opened: TestDatabase;
  let messages: MessageStore;
  let instance: Instance;
  let inbox: Inbox;
  let client: ScriptedClient;
  let events: NewEvent[];
  let failing: number;

  beforeEach(async () => {
    opened = await open();
    messages = createMessageStore(opened.database);
    instance = await buildInstance(opened.database, { lastEventAt: Date.now() - 1_000 });
    client = createScriptedClient(() => undefined);
    events = [];
    failing = 0;
    inbox = startInbox();
  });

  afterEach(() => opened.drop());

  function startInbox(): Inbox {
    return createInbox({
      database: opened.database,
      messages,
      instances: createInstanceStore(opened.database),
      lids: createLidStore(opened.database),
      announcer: {
        enqueue: async (trx, added) => {
          if (failing-- > 0) throw new Error('the database is away');
          await announcerInto(events).enqueue(trx, added);
        },
      },
      storeMedia: async ({ file }) => ({ mediaId: newId(), mimeType: file.mimeType, sizeBytes: file.data.length }),
      client: () => client,
      clock: createTestClock(),
      newId,
      log: pino({ level: 'silent' }),
    });
  }

  const picture = () => buildReceived({ content: { type: 'image', caption: 'Look' }, hasMedia: true });
  const rows = async () =>
    (await opened.database.knex('messages').orderBy('id')) as {
      id: string;
      state: string;
      wa_id: string;
      content: string;
      sender_phone: string | null;
    }[];
  const told = async (count: number) => {
    await until(`${count} are told`, () => events.length >= count);
    return messages.byIds(events.map((event) => (event.payload as { messageId: string }).messageId));
  };

  it('writes a message once with its event, however often it comes', async () => {
    const message = buildReceived();
    inbox.receive(instance.id, [message, message]);
    inbox.receive(instance.id, [message]);
    await inbox.settled();
    inbox.receive(instance.id, [message]);
    await inbox.settled();
    expect(await rows()).toHaveLength(1);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ type: 'message.received', instanceId: instance.id, orderKey: message.chat });
  });

  it('keeps what comes while the database is away', async () => {
    failing = 2;
    inbox.receive(instance.id, [buildReceived(), buildReceived()]);
    await told(2);
    expect(await rows()).toHaveLength(2);
  });

  it('announces a picture when its file is there, and keeps later texts of the chat behind it', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    client.downloadMedia = async () => {
      await gate;
      return { data: Buffer.from('png'), mimeType: 'image/png' };
    };
    const elsewhere = buildReceived({
      sender: parseJid('255757999999@c.us')!,
      content: { type: 'text', text: 'elsewhere' },
    });
    inbox.receive(instance.id, [picture(), buildReceived({ content: { type: 'text', text: 'after' } }), elsewhere]);
    expect((await told(1)).map((message: Message) => message.content)).toEqual([{ type: 'text', text: 'elsewhere' }]);
    release();
    await told(3);
    const order = await Promise.all(
      events.map((event) => messages.byId((event.payload as { messageId: string }).messageId)),
    );
    expect(order.map((message) => message!.content)).toEqual([
      { type: 'text', text: 'elsewhere' },
      { type: 'image', caption: 'Look', media: expect.objectContaining({ mimeType: 'image/png', sizeBytes: 3 }) },
      { type: 'text', text: 'after' },
    ]);
  });

  it('announces a picture whose file cannot be had, with the reason', async () => {
    client.downloadMedia = () => Promise.reject(new Error('The file has expired at WhatsApp'));
    inbox.receive(instance.id, [picture()]);
    const [message] = await told(1);
    expect(message!.content).toEqual({
      type: 'image',
      caption: 'Look',
      mediaError: 'The file has expired at WhatsApp',
    });
    expect(message!.state).toBe('received');
  });

  it('fetches after a restart what was being fetched, and takes what arrived meanwhile, once', async () => {
    client.downloadMedia = () => new Promise(() => undefined);
    inbox.receive(instance.id, [picture()]);
    await inbox.settled();
    expect((await rows())[0]).toMatchObject({ state: 'fetching' });
    expect(events).toEqual([]);

    inbox = startInbox();
    client = createScriptedClient(() => undefined);
    const missed = buildReceived({ content: { type: 'text', text: 'missed' } });
    client.missed = [missed];
    await inbox.catchUp(instance.id, client);
    await inbox.catchUp(instance.id, client);
    await told(2);
    await inbox.settled();
    expect(events).toHaveLength(2);
    expect((await rows()).map((row) => row.state)).toEqual(['received', 'received']);
  });

  it('tells what was missed before what a new page tells at once, and loses none of it', async () => {
    const minutesAgo = (count: number) => Date.now() - count * 60_000;
    await createInstanceStore(opened.database).update(instance.id, { lastEventAt: minutesAgo(60) });
    const missed = [40, 30].map((minutes) => buildReceived({ happenedAt: minutesAgo(minutes) }));
    const early = buildReceived();
    client.receivedSince = async (since) => [...missed, early].filter(({ happenedAt }) => happenedAt >= since);
    inbox.hold(instance.id);
    inbox.receive(instance.id, [early]);
    messages.unannounced = () => Promise.reject(Object.assign(new Error('away'), { code: 'DATABASE_TIMEOUT' }));
    await expect(inbox.catchUp(instance.id, client)).rejects.toThrow('away');
    messages.unannounced = async () => [];
    await inbox.settled();
    const changed = inbox.announced(instance.id, [early.chat]).then(() => events.length);
    await inbox.catchUp(instance.id, client);
    const late = buildReceived();
    inbox.receive(instance.id, [late]);
    await inbox.settled();
    expect((await told(4)).map(({ waId }) => waId)).toEqual([...missed, early, late].map(({ waId }) => waId));
    expect(await changed).toBeGreaterThanOrEqual(3);
  });

  it('tells what came meanwhile also when the page cannot say what was missed', async () => {
    client.receivedSince = () => Promise.reject(new Error('Execution context was destroyed'));
    inbox.hold(instance.id);
    inbox.receive(instance.id, [buildReceived()]);
    await expect(inbox.catchUp(instance.id, client)).rejects.toThrow('destroyed');
    await told(1);
  });

  it('announces a message once when its row was read just before it was announced', async () => {
    client.downloadMedia = () => new Promise(() => undefined);
    inbox.receive(instance.id, [picture()]);
    await inbox.settled();
    const unannounced = await messages.unannounced(instance.id);

    inbox = startInbox();
    client = createScriptedClient(() => undefined);
    await inbox.catchUp(instance.id, client);
    await told(1);
    messages.unannounced = async () => unannounced;
    await inbox.catchUp(instance.id, client);
    await inbox.announced(
      instance.id,
      unannounced.map((row) => row.chat),
    );
    expect(events).toHaveLength(1);
  });

  it('tells of a message from the phone as it stands when its file is there', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    client.downloadMedia = async () => {
      await gate;
      return { data: Buffer.from('png'), mimeType: 'image/png' };
    };
    const own = { ...picture(), fromMe: { ack: 1 as const } };
    inbox.receive(instance.id, [own]);
    await inbox.settled();
    const acked = await opened.database.transaction((trx) =>
      messages.applyAcks(trx, {
        instanceId: instance.id,
        acks: [{ waId: own.waId, waKey: own.waKey, ack: 3, state: 'read' }],
        now: Date.now(),
      }),
    );
    expect(acked).toEqual([]);
    expect((await rows())[0]).toMatchObject({ state: 'fetching' });
    release();
    const [message] = await told(1);
    expect(message).toMatchObject({ direction: 'out', state: 'read', ack: 3, ackedAt: expect.any(Number) });
  });

  it('remembers the phone behind a LID for messages that do not tell it', async () => {
    const lid = parseJid('120542636048510@lid')!;
    inbox.receive(instance.id, [buildReceived({ sender: lid, senderPhone: '255757123456' })]);
    await inbox.settled();
    inbox.receive(instance.id, [buildReceived({ sender: lid, senderPhone: null })]);
    await inbox.settled();
    expect((await rows()).map((row) => row.sender_phone)).toEqual(['255757123456', '255757123456']);
  });

  it('takes a burst in the order it came', async () => {
    const burst = Array.from({ length: 700 }, (_, index) =>
      buildReceived({ content: { type: 'text', text: `m${index}` } }),
    );
    for (let at = 0; at < burst.length; at += 7) inbox.receive(instance.id, burst.slice(at, at + 7));
    await inbox.settled();
    const contents = (await rows()).map((row) => (JSON.parse(row.content) as { text: string }).text);
    expect(contents).toEqual(burst.map((_, index) => `m${index}`));
    expect(events).toHaveLength(700);
  });
});
