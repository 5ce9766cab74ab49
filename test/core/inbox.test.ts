import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createInbox, type Inbox } from '../../src/core/inbox.ts';
import { type PastLimits, usualPastLimits } from '../../src/core/inbox/past.ts';
import type { NewEvent } from '../../src/model/events.ts';
import type { Instance } from '../../src/model/instance.ts';
import { type Jid, parseJid } from '../../src/model/jid.ts';
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
  /** How often it was heard that the past is known, or was waited for. */
  let heard: number;
  let logged: { level: number; chats?: Jid[]; error?: string }[];

  beforeEach(async () => {
    opened = await open();
    messages = createMessageStore(opened.database);
    instance = await buildInstance(opened.database, { lastEventAt: Date.now() - 1_000 });
    client = createScriptedClient(() => undefined);
    events = [];
    failing = 0;
    heard = 0;
    logged = [];
    inbox = startInbox();
  });

  afterEach(() => opened.drop());

  function startInbox(limits: PastLimits = usualPastLimits): Inbox {
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
      heard: () => void (heard += 1),
      limits,
      clock: createTestClock(),
      newId,
      log: pino({}, { write: (line: string) => void logged.push(JSON.parse(line)) }),
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
    client.missed = [...missed, early];
    inbox.pageBegins(instance.id);
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

  describe('with a page that is slow to tell what was missed', () => {
    const asha = parseJid('255757123456@c.us')!;
    const juma = parseJid('255757999999@c.us')!;
    const at = (seconds: number) => Date.now() - 600_000 + seconds * 1_000;
    const from = (sender: Jid, text: string, seconds: number) =>
      buildReceived({ sender, content: { type: 'text', text }, happenedAt: at(seconds) });
    const texts = async (count: number) =>
      (await told(count)).map(({ content }) => (content.type === 'text' ? content.text : content.type));
    const mark = async () => (await createInstanceStore(opened.database).byId(instance.id))!.lastEventAt;

    /** Lets the page tell of this chat when `open` is called. */
    function gate(chat: Jid): { open(): void; isAsked(): boolean } {
      const { receivedSince } = client;
      let asked = false;
      let open = (): void => undefined;
      const opened = new Promise<void>((resolve) => (open = resolve));
      client.receivedSince = async (name, since) => {
        if (name === chat) {
          asked = true;
          await opened;
        }
        return receivedSince(name, since);
      };
      return { open: () => open(), isAsked: () => asked };
    }

    it('keeps back a chat until its past is told, and no other', async () => {
      client.missed = [from(asha, 'a1', 1), from(juma, 'j1', 2)];
      const past = gate(asha);
      inbox.pageBegins(instance.id);
      inbox.receive(instance.id, [from(asha, 'a2', 3), from(juma, 'j2', 4)]);
      const isDone = inbox.catchUp(instance.id, client);
      expect(await texts(2)).toEqual(['j1', 'j2']);
      inbox.receive(instance.id, [from(juma, 'j3', 5), from(asha, 'a3', 6)]);
      expect(await texts(3)).toEqual(['j1', 'j2', 'j3']);
      expect(inbox.hasHeard(instance.id)).toBe(false);
      past.open();
      await isDone;
      expect(await texts(6)).toEqual(['j1', 'j2', 'j3', 'a1', 'a2', 'a3']);
      expect({ isHeard: inbox.hasHeard(instance.id), heard }).toEqual({ isHeard: true, heard: 1 });
    });

    it('reads first where something waits', async () => {
      const chats = Array.from({ length: 50 }, (_, index) => parseJid(`2557571000${10 + index}@c.us`)!);
      client.missed = chats.map((chat, index) => from(chat, `missed ${index}`, index));
      inbox.pageBegins(instance.id);
      inbox.receive(instance.id, [from(chats[49]!, 'early', 100)]);
      await inbox.catchUp(instance.id, client);
      expect((await texts(51)).slice(0, 2)).toEqual(['missed 49', 'early']);
    });

    it('tells what arrives all the same after a while, and what was missed when it is told, once', async () => {
      inbox = startInbox({ ...usualPastLimits, holdMs: 20 });
      const before = await mark();
      const missed = from(asha, 'a1', 1);
      client.missed = [missed];
      const past = gate(asha);
      inbox.pageBegins(instance.id);
      const isDone = inbox.catchUp(instance.id, client);
      inbox.receive(instance.id, [from(asha, 'a2', 1_000)]);
      expect(await texts(1)).toEqual(['a2']);
      inbox.receive(instance.id, [from(asha, 'a3', 1_001)]);
      expect(await texts(2)).toEqual(['a2', 'a3']);
      await inbox.settled();
      // Who starts now looks for all of it again.
      expect(await mark()).toBe(before);
      inbox.receive(instance.id, [missed]);
      past.open();
      await isDone;
      expect(await texts(3)).toEqual(['a2', 'a3', 'a1']);
      expect(await mark()).toBeGreaterThan(before!);
      expect(await rows()).toHaveLength(3);
    });

    it('asks again for the chats that were not told, and for no other', async () => {
      client.missed = [from(asha, 'a1', 1), from(juma, 'j1', 2)];
      const { receivedSince } = client;
      const asked: Jid[] = [];
      client.receivedSince = async (chat, since) => {
        asked.push(chat);
        if (chat === asha && asked.length <= 2) throw new Error('WhatsApp Web does not answer');
        return receivedSince(chat, since);
      };
      inbox.pageBegins(instance.id);
      inbox.receive(instance.id, [from(asha, 'a2', 3)]);
      await expect(inbox.catchUp(instance.id, client)).rejects.toThrow('did not tell of 1 chats');
      expect(await texts(1)).toEqual(['j1']);
      expect(inbox.hasHeard(instance.id)).toBe(false);
      await inbox.catchUp(instance.id, client);
      expect(await texts(3)).toEqual(['j1', 'a1', 'a2']);
      expect(asked).toEqual([asha, juma, asha]);
    });

    describe('of one chat, ever', () => {
      beforeEach(() => {
        inbox = startInbox({ holdMs: 10, hearMs: 20 });
        const { receivedSince } = client;
        client.receivedSince = async (chat, since) => {
          if (chat === asha) throw new Error('Its messages cannot be read');
          return receivedSince(chat, since);
        };
        inbox.pageBegins(instance.id);
      });

      /** Asks until the campaigns wait no longer. */
      async function askInVain(): Promise<void> {
        await expect(inbox.catchUp(instance.id, client)).rejects.toThrow('did not tell of 1 chats');
        await until('it has waited', () => inbox.hasHeard(instance.id));
      }

      it('gives it up after a while, says so once by its name, and goes on', async () => {
        const before = await mark();
        client.missed = [from(asha, 'a1', 1), from(juma, 'j1', 700)];
        await askInVain();
        expect(await mark()).toBe(before);
        await inbox.catchUp(instance.id, client);
        expect(logged.filter(({ chats }) => chats)).toMatchObject([
          { level: 50, chats: [asha], error: 'Its messages cannot be read' },
        ]);
        expect(await mark()).toBe(client.missed[1]!.happenedAt);
        const next = from(asha, 'a2', 800);
        inbox.receive(instance.id, [next]);
        expect(await texts(2)).toEqual(['j1', 'a2']);
        await inbox.settled();
        expect(await mark()).toBe(next.happenedAt);
      });

      it('gives nothing up when it tells of no chat at all', async () => {
        const before = await mark();
        client.missed = [from(asha, 'a1', 1)];
        await askInVain();
        await expect(inbox.catchUp(instance.id, client)).rejects.toThrow('did not tell of 1 chats');
        expect(await mark()).toBe(before);
      });

      it('is given the whole time anew when the line was gone', async () => {
        client.missed = [from(asha, 'a1', 1), from(juma, 'j1', 2)];
        await askInVain();
        inbox.pageGone(instance.id);
        await expect(inbox.catchUp(instance.id, client)).rejects.toThrow('did not tell of 1 chats');
      });
    });

    it('has a new page tell everything, and does not hear the one before any more', async () => {
      client.missed = [from(asha, 'a1', 1)];
      const past = gate(asha);
      inbox.pageBegins(instance.id);
      const isDone = inbox.catchUp(instance.id, client);
      inbox.receive(instance.id, [from(asha, 'a2', 2)]);
      await until('it is asked', past.isAsked);
      inbox.pageGone(instance.id);
      inbox.pageBegins(instance.id);
      past.open();
      await isDone;
      expect({ isHeard: inbox.hasHeard(instance.id), events: events.length }).toEqual({ isHeard: false, events: 0 });
      const next = createScriptedClient(() => undefined);
      next.missed = client.missed;
      await inbox.catchUp(instance.id, next);
      expect(await texts(2)).toEqual(['a1', 'a2']);
    });

    it('lets nobody wait for ever for what a page does not tell', async () => {
      inbox = startInbox({ holdMs: 10, hearMs: 20 });
      client.missed = [from(asha, 'a1', 1)];
      gate(asha);
      inbox.pageBegins(instance.id);
      expect(inbox.hasHeard(instance.id)).toBe(false);
      void inbox.catchUp(instance.id, client);
      await until('it has waited', () => inbox.hasHeard(instance.id));
      expect(heard).toBe(1);
    });
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
