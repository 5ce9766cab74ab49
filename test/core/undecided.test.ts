import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIdempotency } from '../../src/core/idempotency.ts';
import { createInbox } from '../../src/core/inbox.ts';
import { createMessages, type SendInput } from '../../src/core/messages.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import type { ContentType } from '../../src/core/outbox/lanes.ts';
import { openWithdrawalJournal } from '../../src/core/withdrawal-journal.ts';
import { GatewayError, toGatewayError } from '../../src/model/errors.ts';
import type { NewEvent } from '../../src/model/events.ts';
import type { Instance } from '../../src/model/instance.ts';
import { priorities } from '../../src/model/message.ts';
import { accountCaller } from '../../src/model/token.ts';
import { createIdempotencyStore } from '../../src/store/idempotency.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createLidStore } from '../../src/store/lids.ts';
import { createMessageStore, type MessageStore } from '../../src/store/messages.ts';
import { announcerInto } from '../support/announcer.ts';
import type { ScriptedClient } from '../support/client.ts';
import { createTestClock, type TestClock, until } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { buildInstance, buildMessage, buildReceived, newId } from '../support/factories.ts';
import { losing, type LosingDatabase } from '../support/losing.ts';
import { startOutbox } from '../support/outbox.ts';

/** The database is lost while it commits: it happened all the same, or it did not. */
forEachDatabase((open) => {
  let opened: TestDatabase;
  let database: LosingDatabase;
  let store: MessageStore;
  let instance: Instance;
  let clock: TestClock;
  let dataDir: string;
  let outbox: Outbox;
  let client: ScriptedClient;
  let events: NewEvent[];
  let readBase64: () => Promise<string>;
  let held: Set<ContentType>;

  const log = pino({ level: 'silent' });

  beforeEach(async () => {
    opened = await open();
    database = losing(opened.database);
    store = createMessageStore(database);
    instance = await buildInstance(database, { state: 'ready', lastEventAt: Date.now() - 1_000 });
    clock = createTestClock();
    events = [];
    readBase64 = async () => 'QUJD';
    held = new Set();
    dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-undecided-'));
    await startGateway();
  });

  afterEach(async () => {
    await outbox.close();
    await opened.drop();
    await rm(dataDir, { recursive: true });
  });

  /** A gateway's sending side, as it is after a start on the same database and data folder. */
  async function startGateway(): Promise<void> {
    ({ outbox, client } = startOutbox(database, instance, {
      messages: store,
      idempotency: createIdempotency({ store: createIdempotencyStore(database), clock }),
      journal: await openWithdrawalJournal({ dataDir, log }),
      announcer: announcerInto(events),
      readBase64: () => readBase64(),
      held: () => held,
      clock,
    }));
  }

  const sentIds = () => client.sent.map(({ waId }) => waId);
  const rows = async () =>
    (await database.knex('messages').orderBy('id')) as { id: string; wa_id: string; state: string }[];
  /** The queue is known to be empty, so that a send goes straight to the page. */
  const idle = () =>
    until('the page takes a send at once', () => {
      const isSending = outbox.admit(instance.id) === 'sending';
      if (isSending) outbox.released(instance.id);
      return isSending;
    });

  describe('a send', () => {
    function sender() {
      const messages = createMessages({
        database,
        messages: store,
        instances: createInstanceStore(database),
        idempotency: createIdempotency({ store: createIdempotencyStore(database), clock }),
        outbox,
        features: { require: async () => undefined, missing: () => null },
        keepMedia: async () => undefined,
        prepareContent: async (_, input) => input as never,
        defaultCountry: 'TZ',
        clock,
        newId,
      });
      return (input: Partial<SendInput> = {}) =>
        messages.send(accountCaller(instance.accountId), {
          instance,
          to: '0757123456',
          content: { type: 'text', text: 'once' },
          priority: priorities.interactive,
          queueUnlinked: true,
          ...input,
        });
    }
    const idempotency = { key: 'order-4711', requestHash: 'the same' };
    const codeOf = (error: unknown) => toGatewayError(error).code;
    const journal = () => join(dataDir, 'withdrawals.jsonl');
    const isJournalGone = () =>
      stat(journal()).then(
        () => false,
        () => true,
      );
    const count = async (table: string) => ((await database.knex(table)) as unknown[]).length;
    async function idleOnPage(): Promise<void> {
      await outbox.instanceReady(instance.id, client);
      await idle();
    }

    const ways = {
      'straight to the page': {},
      'with an Idempotency-Key': { idempotency },
      'with a time to live': { ttlSeconds: 60 },
      'for later': { sendAt: Date.now() + 3_600_000 },
    };
    for (const [way, input] of Object.entries(ways))
      it(`${way}, is refused and stays so, whatever the database did`, async () => {
        const send = sender();
        await outbox.instanceReady(instance.id, client);
        await idle();
        for (const happened of [true, false]) {
          database.loseNext(1, happened);
          expect(await send(input).catch(codeOf)).toBe('unavailable');
          await until('it is taken back', async () => (await rows()).length === 0);
          clock.advance(7_200_000);
          await outbox.tick();
          await outbox.instanceReady(instance.id, client);
        }
        expect(client.sent).toEqual([]);
        expect(await database.knex('message_due')).toEqual([]);
        expect(await database.knex('idempotency_keys')).toEqual([]);
      });

    for (const [way, input] of Object.entries(ways))
      it.each([true, false])(
        `${way}, stays refused when the gateway ends before it can take it back (happened: %s)`,
        async (happened) => {
          const send = sender();
          await idleOnPage();
          database.loseNext(1, happened, { thenAway: true });
          expect(await send(input).catch(codeOf)).toBe('unavailable');
          await outbox.close();
          expect((await stat(journal())).mode & 0o777).toBe(0o600);

          database = losing(opened.database);
          await startGateway();
          await outbox.start();
          expect(await Promise.all(['messages', 'message_due', 'idempotency_keys'].map(count))).toEqual([0, 0, 0]);
          await until('the journal is gone', isJournalGone);
          await outbox.instanceReady(instance.id, client);
          await outbox.tick();
          expect(client.sent).toEqual([]);
        },
      );

    it('leaves no journal behind when the database comes back', async () => {
      const send = sender();
      await idleOnPage();
      database.loseNext(1, true, { thenAway: true });
      const answers = await Promise.all(Array.from({ length: 20 }, () => send().catch(codeOf)));
      expect(answers).toEqual(answers.map(() => 'unavailable'));
      const lines = (await readFile(journal(), 'utf8')).split('\n').filter(Boolean);
      expect(lines).toHaveLength(20);
      database.comeBack();
      await until('they are taken back', async () => (await rows()).length === 0);
      await until('the journal is gone', isJournalGone);
    });

    it('says that nobody knows when it cannot be written down, and is taken back all the same', async () => {
      const send = sender();
      await idleOnPage();
      await mkdir(journal());
      database.loseNext(1, true, { thenAway: true });
      const error = toGatewayError(await send().catch((thrown: unknown) => thrown));
      expect(error).toMatchObject({ code: 'outcome_unknown', status: 500, retryAfterSeconds: undefined });
      expect(error.message).toContain('it is not known whether it goes out');
      database.comeBack();
      await until('it is taken back', async () => (await rows()).length === 0);
      expect(await send()).toMatchObject({ state: 'sending' });
    });

    it('that waits for its page is refused and stays so', async () => {
      const send = sender();
      database.loseNext(2, true);
      expect(await send().catch(codeOf)).toBe('unavailable');
      // The page comes before the row is gone.
      await outbox.instanceReady(instance.id, client);
      await until('it is taken back', async () => (await rows()).length === 0);
      expect(client.sent).toEqual([]);
    });

    it('that the page had before anybody knew that its commit was lost is not refused, and not sent again', async () => {
      const send = sender();
      let tell: () => void = () => undefined;
      database.loseNext(1, true, { known: new Promise((resolve) => (tell = resolve)) });
      const answer = send({ idempotency }).catch(codeOf);
      await until('it is committed', async () => (await rows()).length === 1);
      await outbox.instanceReady(instance.id, client);
      await until('it is with the page', () => client.sent.length === 1);
      tell();
      expect(await answer).toMatchObject({ state: 'sending' });
      await outbox.tick();
      expect(await send({ idempotency })).toMatchObject({ state: 'accepted' });
      expect(client.sent).toHaveLength(1);
    });

    it('that a failing disk may forget is not called refused, for it goes out', async () => {
      const send = sender();
      await idleOnPage();
      const { flushed } = database;
      database.flushed = () => Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
      const error = toGatewayError(await send({ idempotency }).catch((thrown: unknown) => thrown));
      expect(error).toMatchObject({ code: 'outcome_unknown', retryAfterSeconds: undefined });
      expect(error.message).toContain('(ENOSPC)');
      database.flushed = flushed;
      await until('it is with the page', () => client.sent.length === 1);
      expect((await send({ idempotency })).waId).toBe(client.sent[0]!.waId);
      expect(client.sent).toHaveLength(1);
    });

    it('is not handed over by who read its row before that went', async () => {
      const send = sender();
      await idleOnPage();
      const { withdraw } = store;
      let isAway = true;
      store.withdraw = async (...input) => {
        if (isAway) throw new Error('the database is away');
        return withdraw(...input);
      };
      database.loseNext(1, true);
      expect(await send().catch(codeOf)).toBe('unavailable');
      // The page is asked for one that it cannot send while the other is in hand already.
      held.add('image');
      const image = { type: 'image', media: { mediaId: newId(), mimeType: 'image/png', sizeBytes: 3 } } as const;
      await store.insert([buildMessage(instance, { state: 'sending', content: image })]);
      let answer: () => void = () => undefined;
      const asked = new Promise<void>((resolve) => {
        client.find = () => {
          resolve();
          return new Promise((give) => (answer = () => give([])));
        };
      });
      const isDone = outbox.tick();
      await asked;
      isAway = false;
      await until('it is taken back', async () => (await rows()).length === 1);
      answer();
      await isDone;
      await outbox.tick();
      expect(client.sent).toEqual([]);
    });

    it('goes out once when it is asked for again with its key', async () => {
      const send = sender();
      await outbox.instanceReady(instance.id, client);
      await idle();
      database.loseNext(1, true);
      expect(await send({ idempotency }).catch(codeOf)).toBe('unavailable');
      // The first call may not be undone yet: that is an outage too, and asked again it is made.
      await until('it is taken', () =>
        send({ idempotency }).then(
          () => true,
          () => false,
        ),
      );
      await send({ idempotency });
      await until('it is with the page', () => client.sent.length > 0);
      expect((await rows()).map((row) => row.wa_id)).toEqual(sentIds());
    });

    it('of many at once is refused to each of them without asking the database anew', async () => {
      const send = sender();
      database.loseNext(1, true);
      const answers = await Promise.all(Array.from({ length: 20 }, () => send().catch((error: unknown) => error)));
      expect(answers.filter((answer) => answer instanceof Error && !(answer instanceof GatewayError))).toHaveLength(20);
      await until('they are taken back', async () => (await rows()).length === 0);
    });
  });

  it('sends what it took from the queue, once, without a new page', async () => {
    await outbox.instanceReady(instance.id, client);
    await idle();
    const message = buildMessage(instance, { state: 'queued' });
    await store.insert([message]);
    for (const happened of [true, false]) {
      database.loseNext(1, happened);
      outbox.added([message]);
      await until('the commit is lost', () => database.undecided() === (happened ? 1 : 2));
    }
    await until('it is sent', async () => {
      await outbox.tick();
      return client.sent.length > 0;
    });
    await outbox.tick();
    expect(sentIds()).toEqual([message.waId]);
  });

  it('sends what became due, once', async () => {
    await outbox.instanceReady(instance.id, client);
    await outbox.start();
    await idle();
    const message = buildMessage(instance, { state: 'scheduled', sendAt: clock.now() + 60_000 });
    await store.insert([message]);
    outbox.added([message]);
    database.loseNext(1, true);
    clock.advance(61_000);
    await outbox.tick();
    await until('it is sent', async () => {
      await outbox.tick();
      return client.sent.length > 0;
    });
    expect(sentIds()).toEqual([message.waId]);
  });

  it('leaves a message that is with the page where it is', async () => {
    await outbox.instanceReady(instance.id, client);
    await idle();
    client.answer = () => 'silence';
    const message = buildMessage(instance, { state: outbox.admit(instance.id), attempts: 1 });
    await store.insert([message]);
    outbox.added([message]);
    await until('it is with the page', () => client.sent.length > 0);
    database.loseNext(1, true);
    await database.transaction(() => Promise.resolve()).catch(() => undefined);
    await outbox.tick();
    expect(sentIds()).toEqual([message.waId]);
  });

  it('waits with a file whose row cannot be read, and does not call it missing', async () => {
    await outbox.instanceReady(instance.id, client);
    await idle();
    let asked = 0;
    readBase64 = async () => {
      asked += 1;
      if (asked < 9) throw Object.assign(new Error('away'), { code: 'DATABASE_TIMEOUT' });
      return 'QUJD';
    };
    const content = { type: 'image' as const, media: { mediaId: newId(), mimeType: 'image/png', sizeBytes: 3 } };
    const message = buildMessage(instance, { state: outbox.admit(instance.id), attempts: 1, content });
    await store.insert([message]);
    outbox.added([message]);
    await until('it is accepted', async () => {
      await outbox.flush();
      return (await store.byId(message.id))?.state === 'accepted';
    });
    expect(client.sent).toHaveLength(1);
  });

  it('tells of what came in once, in its order, also when it has to wait for a file', async () => {
    const inbox = createInbox({
      database,
      messages: store,
      instances: createInstanceStore(database),
      lids: createLidStore(database),
      announcer: announcerInto(events),
      storeMedia: async ({ file }) => ({ mediaId: newId(), mimeType: file.mimeType, sizeBytes: file.data.length }),
      client: () => client,
      clock,
      newId,
      log,
    });
    for (const happened of [true, false]) {
      events.length = 0;
      const chat = buildReceived().chat;
      const picture = buildReceived({ chat, content: { type: 'image', caption: 'Look' }, hasMedia: true });
      const text = buildReceived({ chat });
      database.loseNext(1, happened);
      inbox.receive(instance.id, [picture]);
      inbox.receive(instance.id, [text]);
      await until('both are told', () => events.length >= 2);
      const ids = events.map(({ payload }) => (payload as { messageId: string }).messageId);
      expect((await store.byIds(ids)).map(({ waId }) => waId)).toEqual([picture.waId, text.waId]);
    }
  });
});
