import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Outbox } from '../../../src/core/outbox.ts';
import type { NewEvent } from '../../../src/model/events.ts';
import type { Instance } from '../../../src/model/instance.ts';
import type { Message } from '../../../src/model/message.ts';
import { createMessageStore, type MessageStore } from '../../../src/store/messages.ts';
import { announcerInto } from '../../support/announcer.ts';
import type { ScriptedClient } from '../../support/client.ts';
import { createTestClock, until } from '../../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../../support/database.ts';
import { buildInstance, buildMessage } from '../../support/factories.ts';
import { startOutbox } from '../../support/outbox.ts';

/** What happens between two steps that belong together. */
forEachDatabase((open) => {
  let opened: TestDatabase;
  let messages: MessageStore;
  let instance: Instance;
  let outbox: Outbox;
  let client: ScriptedClient;
  let events: NewEvent[];
  let sleeps: number;

  beforeEach(async () => {
    opened = await open();
    messages = createMessageStore(opened.database);
    instance = await buildInstance(opened.database);
    events = [];
    sleeps = 0;
    const clock = createTestClock();
    const counting = {
      ...clock,
      sleep(ms: number) {
        sleeps += 1;
        return clock.sleep(ms);
      },
    };
    const parts = { messages, announcer: announcerInto(events), clock: counting };
    ({ outbox, client } = startOutbox(opened.database, instance, parts));
  });

  afterEach(async () => {
    await outbox.close();
    await opened.drop();
  });

  const sentIds = () => client.sent.map(({ waId }) => waId);
  const told = () => events.map(({ payload }) => (payload as { state: string }).state);
  const stateOf = async ({ id }: Message) => {
    await outbox.flush();
    return (await messages.byId(id))!.state;
  };

  /** Keeps the first call of the store back, before it is made or before it is answered. */
  function hold(name: 'claimNext' | 'interrupted' | 'inStates', when: 'call' | 'answer' = 'answer') {
    const real = messages[name] as (...given: unknown[]) => Promise<unknown>;
    let letGo = () => undefined as void;
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    let isHeld = false;
    Object.assign(messages, {
      async [name](...given: unknown[]) {
        if (isHeld) return real(...given);
        if (when === 'answer') {
          const answer = await real(...given);
          isHeld = true;
          await gate;
          return answer;
        }
        isHeld = true;
        await gate;
        return real(...given);
      },
    });
    return { isHeld: () => isHeld, letGo };
  }

  /** Resolves when the work is done, or waits for something. */
  async function doneOrWaiting(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    void work.finally(() => (isDone = true));
    const before = sleeps;
    await until('it is done or waits', () => isDone || sleeps > before);
  }

  async function queued(): Promise<Message> {
    const message = buildMessage(instance);
    await messages.insert([message]);
    outbox.added([message]);
    return message;
  }

  it('hands a message over once that is taken from the queue while a page comes back', async () => {
    await outbox.instanceReady(instance.id, client);
    const claim = hold('claimNext');
    const message = await queued();
    await until('it is taken', claim.isHeld);
    outbox.instanceGone(instance.id);
    const ready = outbox.instanceReady(instance.id, client);
    await doneOrWaiting(ready);
    claim.letGo();
    await ready;
    await until('it is accepted', async () => (await stateOf(message)) === 'accepted');
    expect(sentIds()).toEqual([message.waId]);
  });

  it('hands a message over once that is committed while a page comes back', async () => {
    await outbox.instanceReady(instance.id, client);
    await until('the queue is empty', () => {
      const isFree = outbox.admit(instance.id) === 'sending';
      if (isFree) outbox.released(instance.id);
      return isFree;
    });
    const state = outbox.admit(instance.id);
    const message = buildMessage(instance, { state, attempts: 1 });
    expect(state).toBe('sending');
    await messages.insert([message]);
    outbox.instanceGone(instance.id);
    const ready = outbox.instanceReady(instance.id, client);
    await doneOrWaiting(ready);
    outbox.added([message]);
    await ready;
    await until('it is accepted', async () => (await stateOf(message)) === 'accepted');
    expect(sentIds()).toEqual([message.waId]);
  });

  it('sends nothing again of which it is known how it ended', async () => {
    const message = buildMessage(instance, { state: 'sending', attempts: 1 });
    await messages.insert([message]);
    const interrupted = hold('interrupted');
    const ready = outbox.instanceReady(instance.id, client);
    await until('it is read', interrupted.isHeld);
    await opened.database.transaction((trx) =>
      messages.finish(trx, { ids: [message.id], state: 'failed', reason: 'not_on_whatsapp' }),
    );
    interrupted.letGo();
    await ready;
    expect(sentIds()).toEqual([]);
  });

  it('sends nothing again whose end the database has not taken yet', async () => {
    client.answer = ({ waId }) => ({ result: 'refused', waId, reason: 'not_on_whatsapp', detail: 'no' });
    const { finish } = messages;
    let isAway = true;
    messages.finish = async (...given) => {
      if (isAway) throw new Error('the database is away');
      return finish(...given);
    };
    await outbox.instanceReady(instance.id, client);
    const message = await queued();
    await until('it is refused', () => client.sent.length === 1);
    outbox.instanceGone(instance.id);
    await expect(outbox.instanceReady(instance.id, client)).rejects.toThrow('not written yet');
    isAway = false;
    await outbox.instanceReady(instance.id, client);
    expect(await stateOf(message)).toBe('failed');
    expect(sentIds()).toEqual([message.waId]);
    expect(told()).toEqual(['failed']);
  });

  it('tells of an end once when two come to it', async () => {
    const message = buildMessage(instance, { state: 'sending', attempts: 1 });
    await messages.insert([message]);
    const open = hold('inStates');
    const first = outbox.doubt(instance.id);
    await until('it is read', open.isHeld);
    await outbox.doubt(instance.id);
    open.letGo();
    await first;
    expect(told()).toEqual(['uncertain']);
  });

  it('leaves nothing behind of a deleted instance that was just taken from the queue', async () => {
    await outbox.instanceReady(instance.id, client);
    const claim = hold('claimNext', 'call');
    const message = await queued();
    await until('it is about to be taken', claim.isHeld);
    const read = hold('inStates');
    const abandoned = outbox.abandon(instance.id, 'instance_deleted');
    await until('it is looked for, or waited for', () => read.isHeld() || sleeps > 0);
    claim.letGo();
    await until('it is taken', async () => (await messages.byId(message.id))?.state !== 'queued');
    read.letGo();
    await abandoned;
    expect(await stateOf(message)).toBe('uncertain');
  });

  it('cancels what is written for an instance that was deleted meanwhile', async () => {
    await outbox.instanceReady(instance.id, client);
    await outbox.abandon(instance.id, 'instance_deleted');
    const message = await queued();
    await until('it is cancelled', async () => (await stateOf(message)) === 'cancelled');
    expect(told()).toEqual(['cancelled']);
  });

  it('believes what the page has told before it doubts', async () => {
    const message = buildMessage(instance, { state: 'sending', attempts: 1 });
    await messages.insert([message]);
    outbox.onAcks(instance.id, [{ waId: message.waId, waKey: message.waKey, ack: 1 }]);
    await outbox.abandon(instance.id, 'profile_lost');
    expect(await stateOf(message)).toBe('sent');
    expect(told()).toEqual(['sent']);
  });
});
