import { afterEach, beforeEach, expect, it } from 'vitest';
import { createIdempotency } from '../../src/core/idempotency.ts';
import { createMessages, type Messages, type SendInput } from '../../src/core/messages.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import type { NewEvent } from '../../src/model/events.ts';
import { createIdSource } from '../../src/model/ids.ts';
import type { Instance } from '../../src/model/instance.ts';
import { type Message, priorities } from '../../src/model/message.ts';
import { accountCaller } from '../../src/model/token.ts';
import { createIdempotencyStore } from '../../src/store/idempotency.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createMessageDueStore } from '../../src/store/message-due.ts';
import { createMessageStore, type MessageStore } from '../../src/store/messages.ts';
import { announcerInto } from '../support/announcer.ts';
import { accepted, type ScriptedClient } from '../support/client.ts';
import { createTestClock, type TestClock, until } from '../support/clock.ts';
import { forEachDatabaseAndRepeated, type TestDatabase } from '../support/database.ts';
import { fullScans } from '../support/explain.ts';
import { buildInstance, buildMessage } from '../support/factories.ts';
import { startOutbox } from '../support/outbox.ts';

const hourMs = 3_600_000;

forEachDatabaseAndRepeated((open) => {
  let opened: TestDatabase;
  let store: MessageStore;
  let instance: Instance;
  let clock: TestClock;
  let outbox: Outbox;
  let messages: Messages;
  let client: ScriptedClient;
  let events: NewEvent[];
  let kept: [string, number][];

  beforeEach(async () => {
    opened = await open();
    store = createMessageStore(opened.database);
    instance = await buildInstance(opened.database);
    clock = createTestClock();
    events = [];
    kept = [];
    start();
  });

  afterEach(async () => {
    await outbox.close();
    await opened.drop();
  });

  /** A gateway's sending side, as it is after a start on the same database. */
  function start(): void {
    const { database } = opened;
    const parts = { messages: store, announcer: announcerInto(events), clock };
    ({ outbox, client } = startOutbox(database, instance, parts));
    messages = createMessages({
      features: { require: async () => undefined, missing: () => null },
      database,
      messages: store,
      instances: createInstanceStore(database),
      idempotency: createIdempotency({ store: createIdempotencyStore(database), clock }),
      outbox,
      keepMedia: async (...keep) => void kept.push(keep),
      prepareContent: async (_, input) =>
        input.type === 'text'
          ? input
          : { type: 'image', media: { mediaId: 'M1', mimeType: 'image/png', sizeBytes: 1 } },
      defaultCountry: 'TZ',
      clock,
      newId: createIdSource(clock.now),
    });
  }

  const caller = () => accountCaller(instance.accountId);
  const send = (text: string, patch: Partial<SendInput> = {}): Promise<Message> =>
    messages.send(caller(), {
      instance,
      to: '0757123456',
      content: { type: 'text', text },
      priority: priorities.interactive,
      queueUnlinked: true,
      ...patch,
    });
  const inMs = (ms: number): number => clock.now() + ms;
  const sentTexts = () => client.sent.map(({ content }) => (content.type === 'text' ? content.text : content.type));
  const stateOf = async ({ id }: Message) => (await messages.status(caller(), id)).state;

  it('keeps a message with its id until its time, and sends it then without being asked', async () => {
    await outbox.start();
    await outbox.instanceReady(instance.id, client);
    const at = inMs(300);
    const handedAt = new Map<string, number>();
    client.answer = (sent) => {
      handedAt.set(sent.waId, clock.now());
      return accepted(sent);
    };
    const message = await send('later', { sendAt: at });
    expect(message).toMatchObject({ state: 'scheduled', sendAt: at });
    expect(message.waKey).toMatch(/^true_255757123456@c\.us_3EB0/);
    await send('now');
    await until('both have gone', () => client.sent.length === 2);
    expect(handedAt.get(message.waId)).toBeGreaterThanOrEqual(at);
    await until('it is accepted', async () => (await stateOf(message)) === 'accepted');
  });

  it('sends at once what lies in the past, and refuses what lies years ahead', async () => {
    expect(await send('late', { sendAt: clock.now() - hourMs })).toMatchObject({ state: 'queued', sendAt: null });
    await expect(send('far', { sendAt: inMs(367 * 24 * hourMs) })).rejects.toMatchObject({
      code: 'invalid_input',
      details: { send_at: expect.stringContaining('366 days') },
    });
  });

  it('says of an instance that is just being stopped that it is, whatever its state still says', async () => {
    const stopping = { ...instance, state: 'ready' as const, desiredState: 'stopped' as const };
    await expect(send('now', { instance: stopping, queueUnlinked: false })).rejects.toMatchObject({
      code: 'instance_not_ready',
      message: `Instance ${instance.id} is not connected to WhatsApp (it is being stopped)`,
    });
  });

  it('may be scheduled on an instance that is not linked yet', async () => {
    const unlinked = { ...instance, state: 'qr' as const };
    await expect(send('now', { instance: unlinked, queueUnlinked: false })).rejects.toMatchObject({
      code: 'instance_not_ready',
    });
    expect(await send('later', { instance: unlinked, queueUnlinked: false, sendAt: inMs(hourMs) })).toMatchObject({
      state: 'scheduled',
    });
  });

  it('goes by the time of sending, not by the time of asking, when several wait for the phone', async () => {
    await send('third', { sendAt: inMs(3 * hourMs) });
    await send('first', { sendAt: inMs(hourMs) });
    const at = inMs(2 * hourMs);
    await send('second a', { sendAt: at });
    await send('second b', { sendAt: at });
    clock.advance(5 * hourMs);
    await send('fourth');
    await outbox.tick();
    await outbox.instanceReady(instance.id, client);
    await until('all have gone', () => client.sent.length === 5);
    expect(sentTexts()).toEqual(['first', 'second a', 'second b', 'third', 'fourth']);
  });

  it('takes up after a restart what came due meanwhile, and waits on for the rest', async () => {
    const due = await send('due', { sendAt: inMs(1_000) });
    const rest = await send('rest', { sendAt: inMs(2 * hourMs) });
    await outbox.close();
    clock.advance(hourMs);
    start();
    await outbox.instanceReady(instance.id, client);
    expect(client.sent).toEqual([]);
    await outbox.start();
    await until('it has gone', () => client.sent.length === 1);
    expect(client.sent[0]?.waId).toBe(due.waId);
    expect(await stateOf(rest)).toBe('scheduled');
    clock.advance(hourMs + 1);
    await outbox.tick();
    await until('the rest has gone', () => client.sent.length === 2);
  });

  it('follows the clock when it jumps ahead, and asks the database nothing while nothing is due', async () => {
    await outbox.start();
    await outbox.instanceReady(instance.id, client);
    await send('later', { sendAt: inMs(hourMs) });
    const queries: string[] = [];
    const listen = ({ sql }: { sql: string }) => void queries.push(sql);
    opened.database.knex.on('query', listen);
    for (let tick = 0; tick < 10; tick += 1) await outbox.tick();
    expect(queries).toEqual([]);
    opened.database.knex.off('query', listen);
    clock.advance(hourMs);
    await outbox.tick();
    await until('it has gone', () => client.sent.length === 1);
  });

  it('does not send early when the clock is set back', async () => {
    await outbox.start();
    await outbox.instanceReady(instance.id, client);
    const message = await send('later', { sendAt: inMs(1_500) });
    clock.advance(-hourMs);
    await new Promise((resolve) => setTimeout(resolve, 1_700));
    expect(client.sent).toEqual([]);
    expect(await stateOf(message)).toBe('scheduled');
    clock.advance(hourMs);
    await outbox.tick();
    await until('it has gone', () => client.sent.length === 1);
  });

  it('counts the time to live from the time of sending', async () => {
    const message = await send('short', { sendAt: inMs(hourMs), ttlSeconds: 60 });
    expect(message.expiresAt).toBe(message.sendAt! + 60_000);
    clock.advance(hourMs + 30_000);
    await outbox.tick();
    expect(await stateOf(message)).toBe('queued');
    clock.advance(31_000);
    await outbox.tick();
    expect(await messages.status(caller(), message.id)).toMatchObject({ state: 'cancelled', reason: 'expired' });
    await outbox.instanceReady(instance.id, client);
    expect(client.sent).toEqual([]);
  });

  it('drops at once what came due and expired while the gateway was away', async () => {
    const message = await send('short', { sendAt: inMs(hourMs), ttlSeconds: 60 });
    await outbox.close();
    clock.advance(2 * hourMs);
    start();
    await outbox.start();
    expect(await messages.status(caller(), message.id)).toMatchObject({ state: 'cancelled', reason: 'expired' });
    expect(await createMessageDueStore(opened.database).nextAt()).toBeNull();
  });

  it('counts the time to live of a message that goes back into the queue', async () => {
    const message = buildMessage(instance, { state: 'sending', expiresAt: inMs(60_000) });
    await store.insert([message]);
    expect(await store.requeue([message])).toMatchObject([{ id: message.id, state: 'queued' }]);
    clock.advance(61_000);
    await outbox.tick();
    expect(await messages.status(caller(), message.id)).toMatchObject({ state: 'cancelled', reason: 'expired' });
  });

  it('keeps the file of a scheduled message until its time', async () => {
    const at = inMs(90 * 24 * hourMs);
    await send('', { sendAt: at, content: { type: 'media', source: { base64: 'QUJD' } } });
    expect(kept).toEqual([['M1', at]]);
  });

  it('cancels what is scheduled or queued, tells of it once, and says the same when asked again', async () => {
    const scheduled = await send('scheduled', { sendAt: inMs(hourMs) });
    const queued = await send('queued', { ttlSeconds: 60 });
    for (const { id, waKey, waId } of [scheduled, queued]) {
      const cancelled = { id, state: 'cancelled', reason: 'cancelled_by_caller' };
      expect(await messages.cancel(caller(), waKey)).toMatchObject(cancelled);
      expect(await messages.cancel(caller(), waId)).toMatchObject(cancelled);
    }
    expect(events.map(({ payload }) => payload)).toEqual([
      { messageId: scheduled.id, state: 'cancelled', ack: 0, reason: 'cancelled_by_caller' },
      { messageId: queued.id, state: 'cancelled', ack: 0, reason: 'cancelled_by_caller' },
    ]);
    expect(await createMessageDueStore(opened.database).nextAt()).toBeNull();
    clock.advance(2 * hourMs);
    await outbox.tick();
    await outbox.instanceReady(instance.id, client);
    expect(client.sent).toEqual([]);
  });

  it('tells who waits for a message that it was cancelled', async () => {
    const sending = send('waits', { waitMs: 5_000 });
    await until('it is queued', async () => (await inState('queued')).length === 1);
    const [queued] = await inState('queued');
    await messages.cancel(caller(), queued!.id);
    expect(await sending).toMatchObject({ state: 'cancelled' });
  });

  it('refuses to cancel what is on its way or has ended, with the state', async () => {
    client.answer = () => 'silence';
    await outbox.instanceReady(instance.id, client);
    const message = await send('on its way');
    await until('it is handed over', () => client.sent.length === 1);
    await expect(messages.cancel(caller(), message.id)).rejects.toMatchObject({
      code: 'too_late',
      status: 409,
      message: expect.stringContaining('being sent'),
      details: { status: 'sending' },
    });
    outbox.onAcks(instance.id, [{ waId: message.waId, waKey: message.waKey, ack: 3 }]);
    await expect(messages.cancel(caller(), message.id)).rejects.toMatchObject({ details: { status: 'read' } });
    await expect(messages.cancel(accountCaller('CUST-9999'), message.id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('either cancels or sends, never both, however closely the two race', async () => {
    await outbox.start();
    const waiting: Message[] = [];
    for (let index = 0; index < 120; index += 1)
      waiting.push(await send(`${index}`, index % 2 ? { sendAt: inMs(600) } : {}));
    clock.advance(600);
    const sending = [outbox.tick(), outbox.instanceReady(instance.id, client)];
    const answers = await Promise.all(
      waiting.map(async ({ id, waId }, index) => {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * index));
        return messages.cancel(caller(), id).then(
          () => ({ waId, cancelled: true }),
          () => ({ waId, cancelled: false }),
        );
      }),
    );
    await Promise.all(sending);
    const refused = answers.filter((answer) => !answer.cancelled).map((answer) => answer.waId);
    await until('all others have gone', () => client.sent.length >= refused.length);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(client.sent.map(({ waId }) => waId).toSorted()).toEqual(refused.toSorted());
    expect((await inState('cancelled')).length).toBe(120 - refused.length);
  });

  it('leaves nothing scheduled when the instance is deleted, and everything when it is only logged out', async () => {
    const many = Array.from({ length: 450 }, () =>
      buildMessage(instance, { state: 'scheduled', sendAt: inMs(hourMs) }),
    );
    for (let at = 0; at < many.length; at += 50) await store.insert(many.slice(at, at + 50));
    await outbox.abandon(instance.id, 'profile_lost');
    expect(await inState('scheduled')).toHaveLength(450);
    await outbox.abandon(instance.id, 'instance_deleted');
    expect(await inState('scheduled')).toHaveLength(0);
    expect(await inState('cancelled')).toHaveLength(450);
  });

  it('finds the next among many without reading them all', async () => {
    const first = inMs(hourMs);
    for (let at = 0; at < 5_000; at += 100)
      await store.insert(
        Array.from({ length: 100 }, (_, index) =>
          buildMessage(instance, { state: 'scheduled', sendAt: first + (at + index) * 60_000 }),
        ),
      );
    const statements = new Map<string, unknown[]>();
    const listen = ({ sql, bindings }: { sql: string; bindings: unknown[] }) => void statements.set(sql, bindings);
    opened.database.knex.on('query', listen);
    await outbox.start();
    clock.advance(2 * hourMs);
    await outbox.tick();
    await outbox.instanceReady(instance.id, client);
    await until('those that are due have gone', () => client.sent.length > 0);
    await messages.cancel(caller(), (await inState('scheduled'))[0]!.id);
    opened.database.knex.off('query', listen);
    expect(statements.size).toBeGreaterThan(8);
    if (opened.database.engine === 'mysql') await opened.database.knex.raw('ANALYZE TABLE messages, message_due');
    expect(await fullScans(opened.database, statements)).toEqual([]);
  });

  function inState(state: Message['state']): Promise<Message[]> {
    return store.inStates({ instanceId: instance.id, states: [state], limit: 1_000 });
  }
});
