import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Outbox } from '../../src/core/outbox.ts';
import type { OutgoingContent } from '../../src/model/content.ts';
import type { NewEvent } from '../../src/model/events.ts';
import type { Instance } from '../../src/model/instance.ts';
import { type Message, priorities } from '../../src/model/message.ts';
import { createMessageStore, type MessageStore } from '../../src/store/messages.ts';
import type { ClientMessage } from '../../src/whatsapp/client.ts';
import { announcerInto } from '../support/announcer.ts';
import { accepted, type ScriptedClient } from '../support/client.ts';
import { createTestClock, type TestClock, until } from '../support/clock.ts';
import { forEachDatabaseAndRepeated, type TestDatabase } from '../support/database.ts';
import { buildInstance, buildMessage } from '../support/factories.ts';
import { startOutbox } from '../support/outbox.ts';

forEachDatabaseAndRepeated((open) => {
  let opened: TestDatabase;
  let messages: MessageStore;
  let instance: Instance;
  let clock: TestClock;
  let outbox: Outbox;
  let client: ScriptedClient;
  let events: NewEvent[];
  let held: Set<OutgoingContent['type']>;

  beforeEach(async () => {
    opened = await open();
    messages = createMessageStore(opened.database);
    instance = await buildInstance(opened.database);
    clock = createTestClock();
    events = [];
    held = new Set();
    start();
  });

  afterEach(async () => {
    await outbox.close();
    await opened.drop();
  });

  function start(): void {
    const parts = { messages, announcer: announcerInto(events), held: () => held, clock };
    ({ outbox, client } = startOutbox(opened.database, instance, parts));
  }

  async function add(patch: Partial<Message> = {}): Promise<Message> {
    const type = (patch.content?.type ?? 'text') as OutgoingContent['type'];
    const state = outbox.admit(instance.id, type);
    const message = buildMessage(instance, { state, attempts: state === 'sending' ? 1 : 0, ...patch });
    await messages.insert([message]);
    outbox.added([message]);
    return message;
  }

  async function stateOf(message: Message): Promise<string> {
    await outbox.flush();
    const row = await messages.byId(message.id);
    return row?.reason ? `${row.state}: ${row.reason}` : (row?.state ?? 'gone');
  }

  const texts = () => client.sent.map((message) => (message.content.type === 'text' ? message.content.text : ''));

  it('drains what is just being taken from the queue, too', async () => {
    const message = await add();
    const claimNext = messages.claimNext;
    let isAsked = false;
    let answer: () => void = () => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    messages.claimNext = async (query) => {
      isAsked = true;
      await answered;
      return claimNext(query);
    };
    const isReady = outbox.instanceReady(instance.id, client);
    await until('the queue is read', () => isAsked);
    setImmediate(answer);
    expect(await outbox.drain(instance.id, 6_000_000)).toBe(true);
    expect(client.sent.map(({ waId }) => waId)).toEqual([message.waId]);
    await isReady;
  });

  it('keeps messages while the instance is away and sends them in order when it comes', async () => {
    const first = await add({ content: { type: 'text', text: 'one' } });
    const second = await add({ content: { type: 'text', text: 'two' } });
    expect(await stateOf(first)).toBe('queued');

    await outbox.instanceReady(instance.id, client);
    await until('both are accepted', async () => (await stateOf(second)) === 'accepted');
    expect(texts()).toEqual(['one', 'two']);
    expect(await stateOf(first)).toBe('accepted');
  });

  it('sends what is urgent before what is not', async () => {
    await add({ priority: priorities.bulk, content: { type: 'text', text: 'bulk' } });
    await add({ priority: priorities.interactive, content: { type: 'text', text: 'interactive' } });
    const last = await add({ priority: priorities.otp, content: { type: 'text', text: 'otp' } });
    await outbox.instanceReady(instance.id, client);
    await until('all are accepted', async () => (await stateOf(last)) === 'accepted' && client.sent.length === 3);
    expect(texts()).toEqual(['otp', 'interactive', 'bulk']);
  });

  it('hands a message over at once when the page is free, and tells who waits', async () => {
    await outbox.instanceReady(instance.id, client);
    await until('the queue is known to be empty', () => {
      const state = outbox.admit(instance.id);
      if (state === 'sending') outbox.released(instance.id);
      return state === 'sending';
    });
    const message = await add();
    expect(message.state).toBe('sending');
    expect(await outbox.settled(message.id, 2_000)).toMatchObject({ state: 'accepted', waKey: message.waKey });
    expect(client.sent[0]).toMatchObject({ waId: message.waId, retry: false });
  });

  it('hands no more than 16 messages to the page ahead, and all in the end', async () => {
    client.answer = () => 'silence';
    const added: Message[] = [];
    for (let i = 0; i < 40; i += 1) added.push(await add());
    await outbox.instanceReady(instance.id, client);
    await until('16 are handed over', () => client.sent.length === 16);
    client.answer = (message) => accepted(message);
    outbox.onSent(
      instance.id,
      client.sent.slice(0, 16).map((message) => accepted(message)),
    );
    await until('all are accepted', async () => {
      await outbox.flush();
      return (await messages.byIds(added.map((message) => message.id))).every(
        (message) => message.state === 'accepted',
      );
    });
    expect(client.sent.map((message) => message.waId)).toEqual(added.map((message) => message.waId));
  });

  it('ends a refused message with its reason and goes on', async () => {
    client.answer = (message) =>
      message.chat.startsWith('999')
        ? { result: 'refused', waId: message.waId, reason: 'not_on_whatsapp', detail: '' }
        : accepted(message);
    const refused = await add({ chat: '999757123456@c.us' as Message['chat'] });
    const fine = await add();
    await outbox.instanceReady(instance.id, client);
    await until('the second is accepted', async () => (await stateOf(fine)) === 'accepted');
    await until('the first is refused', async () => (await stateOf(refused)) === 'failed: not_on_whatsapp');
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'message.status',
        payload: expect.objectContaining({ messageId: refused.id, state: 'failed' }),
      }),
    );
  });

  it('sends again with the same id after an error, and gives up after five times', async () => {
    let left = 1;
    client.answer = (message) =>
      left-- > 0 ? { result: 'error', waId: message.waId, detail: 'upload failed' } : accepted(message);
    const message = await add();
    await outbox.instanceReady(instance.id, client);
    await until('it is accepted', async () => (await stateOf(message)) === 'accepted');
    expect(client.sent.map(({ waId, retry }) => ({ waId, retry }))).toEqual([
      { waId: message.waId, retry: false },
      { waId: message.waId, retry: true },
    ]);

    client.answer = (sent) => ({ result: 'error', waId: sent.waId, detail: 'upload failed' });
    const hopeless = await add();
    await until('it has failed', async () => (await stateOf(hopeless)) === 'failed: rejected_by_whatsapp');
  });

  it('looks up after a crash what was being sent: found is accepted, not found is sent again with the same id', async () => {
    const lost = await add({ state: 'sending', attempts: 1 });
    const stored = await add({ state: 'sending', attempts: 1 });
    await outbox.close();

    start();
    client.stored.set(stored.waId, { waId: stored.waId, waKey: stored.waKey, ack: 2 });
    await outbox.instanceReady(instance.id, client);
    await until(
      'both are known',
      async () => (await stateOf(lost)) === 'accepted' && (await stateOf(stored)) === 'delivered',
    );
    expect(client.sent.map(({ waId, retry }) => ({ waId, retry }))).toEqual([
      { waId: lost.waId, retry: true },
      { waId: stored.waId, retry: true },
    ]);
  });

  it('does not resend for ever what a crash keeps following', async () => {
    const poison = await add({ state: 'sending', attempts: 5 });
    await outbox.instanceReady(instance.id, client);
    expect(await stateOf(poison)).toBe('uncertain: no_answer_from_page');
    expect(client.sent).toEqual([]);
  });

  it('moves acks forward only', async () => {
    await outbox.instanceReady(instance.id, client);
    const message = await add();
    await until('it is accepted', async () => (await stateOf(message)) === 'accepted');
    const ack = (level: 1 | 2 | 3 | -1) =>
      outbox.onAcks(instance.id, [{ waId: message.waId, waKey: message.waKey, ack: level }]);
    ack(3);
    expect(await stateOf(message)).toBe('read');
    ack(1);
    expect(await stateOf(message)).toBe('read');
    ack(-1);
    expect(await stateOf(message)).toBe('read');
  });

  it('reads missed acks from the page when an instance comes back', async () => {
    const message = await add({ state: 'accepted' });
    client.stored.set(message.waId, { waId: message.waId, waKey: message.waKey, ack: 3 });
    await outbox.instanceReady(instance.id, client);
    await until('the ack is known', async () => (await stateOf(message)) === 'read');
  });

  it('settles what was uncertain when the page knows it after all', async () => {
    const message = await add({ state: 'uncertain', reason: 'no_answer_from_page' });
    client.stored.set(message.waId, { waId: message.waId, waKey: message.waKey, ack: 2 });
    await outbox.instanceReady(instance.id, client);
    await until('it is known', async () => (await stateOf(message)) === 'delivered');
  });

  it('drops what has expired instead of sending it late', async () => {
    const message = await add({ expiresAt: clock.now() + 60_000 });
    clock.advance(61_000);
    await outbox.tick();
    await outbox.instanceReady(instance.id, client);
    expect(await stateOf(message)).toBe('cancelled: expired');
    expect(client.sent).toEqual([]);
  });

  it('takes a page that never answers for an error', async () => {
    client.answer = () => 'silence';
    const message = await add();
    await outbox.instanceReady(instance.id, client);
    await until('it is handed over', () => client.sent.length === 1);
    client.answer = (sent: ClientMessage) => accepted(sent);
    clock.advance(61_000);
    await outbox.tick();
    await until('it is accepted', async () => (await stateOf(message)) === 'accepted');
    expect(client.sent[1]).toMatchObject({ waId: message.waId, retry: true });
  });

  it('says uncertain, not failed, of a message whose page never answers', async () => {
    client.answer = () => 'silence';
    const message = await add();
    await outbox.instanceReady(instance.id, client);
    for (const times of [1, 2, 3, 4, 5]) {
      await until('it is handed over', () => client.sent.length === times);
      clock.advance(61_000);
      await outbox.tick();
    }
    await until('it has ended', async () => (await stateOf(message)) === 'uncertain: no_answer_from_page');
  });

  const picture = { type: 'image', media: { mediaId: 'M1', mimeType: 'image/png', sizeBytes: 3 } } as const;

  it('keeps what the page cannot send in the queue, lets the rest pass, and goes on when the page can', async () => {
    held = new Set(['image']);
    const waiting = await add({ content: picture, priority: priorities.otp });
    const text = await add({ content: { type: 'text', text: 'passes' } });
    await outbox.instanceReady(instance.id, client);
    await until('the text is accepted', async () => (await stateOf(text)) === 'accepted');
    const late = await add({ content: picture });
    const other = await add({ content: { type: 'text', text: 'passes too' } });
    await until('the other is accepted', async () => (await stateOf(other)) === 'accepted');
    expect([await stateOf(waiting), await stateOf(late)]).toEqual(['queued', 'queued']);
    expect((await messages.byId(waiting.id))!.attempts).toBe(0);

    held = new Set();
    outbox.featuresChanged(instance.id);
    await until('both are accepted', async () => (await stateOf(late)) === 'accepted');
    expect(await stateOf(waiting)).toBe('accepted');
    expect(client.sent.filter(({ content }) => content.type === 'image').map(({ waId }) => waId)).toEqual([
      waiting.waId,
      late.waId,
    ]);
  });

  it('puts an interrupted message that the page cannot send back, unless the page has it', async () => {
    const lost = await add({ state: 'sending', attempts: 1, content: picture });
    const known = await add({ state: 'sending', attempts: 1, content: picture });
    await outbox.close();
    start();
    const { waId, waKey } = known;
    client.stored.set(waId, { waId, waKey, ack: 2 });
    held = new Set(['image']);
    await outbox.instanceReady(instance.id, client);
    await until('the one is found', async () => (await stateOf(known)) === 'delivered');
    expect(await stateOf(lost)).toBe('queued');
    expect(client.sent).toEqual([]);
  });

  it('believes an error that follows the acceptance at once', async () => {
    const message = await add();
    await outbox.instanceReady(instance.id, client);
    await until('it is handed over', () => client.sent.length === 1);
    const { waId, waKey } = message;
    outbox.onAcks(instance.id, [
      { waId, waKey, ack: 0 },
      { waId, waKey, ack: -1, detail: 'ERROR_UNKNOWN' },
    ]);
    await until('it has failed', async () => (await stateOf(message)) === 'failed: rejected_by_whatsapp');
  });

  it('leaves nothing pending when the instance is deleted', async () => {
    const waiting = await add();
    const begun = await add({ state: 'sending' });
    await outbox.abandon(instance.id, 'instance_deleted');
    expect(await stateOf(waiting)).toBe('cancelled: instance_deleted');
    expect(await stateOf(begun)).toBe('uncertain: instance_deleted');
  });
});
