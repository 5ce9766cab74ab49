import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Outbox } from '../../../src/core/outbox.ts';
import type { Instance } from '../../../src/model/instance.ts';
import type { Message } from '../../../src/model/message.ts';
import { createMessageStore, type MessageStore } from '../../../src/store/messages.ts';
import { accepted, type ScriptedClient } from '../../support/client.ts';
import { createTestClock, type TestClock, until } from '../../support/clock.ts';
import { forEachDatabaseAndRepeated, type TestDatabase } from '../../support/database.ts';
import { buildInstance, buildMessage } from '../../support/factories.ts';
import { startOutbox } from '../../support/outbox.ts';

/** Messages that were on their way when a page or the gateway ended, again and again. */
forEachDatabaseAndRepeated((open) => {
  let opened: TestDatabase;
  let messages: MessageStore;
  let instance: Instance;
  let outbox: Outbox;
  let client: ScriptedClient;
  let clock: TestClock;

  beforeEach(async () => {
    clock = createTestClock();
    opened = await open();
    messages = createMessageStore(opened.database);
    instance = await buildInstance(opened.database);
    begin();
  });

  afterEach(async () => {
    await outbox.close();
    await opened.drop();
  });

  /** Starts a gateway with a page that never answers. */
  function begin({ steadyMs = Infinity }: { steadyMs?: number } = {}): void {
    ({ outbox, client } = startOutbox(opened.database, instance, { retryDelayMs: 1, steadyMs, clock }));
    client.answer = () => 'silence';
  }

  /** One life of the gateway: the page is ready, and then both are gone. */
  async function liveAndDie(): Promise<void> {
    await outbox.instanceReady(instance.id, client);
    await outbox.close();
    begin();
  }

  async function onItsWay(patch: Partial<Message> = {}): Promise<Message> {
    const message = buildMessage(instance, { state: 'sending', attempts: 1, ...patch });
    await messages.insert([message]);
    return message;
  }

  async function stateOf(message: Message): Promise<string> {
    await outbox.flush();
    const row = await messages.byId(message.id);
    return row?.reason ? `${row.state}: ${row.reason}` : (row?.state ?? 'gone');
  }

  const sentIds = () => client.sent.map(({ waId }) => waId);

  it('gives no message up because the gateway is killed again and again', async () => {
    const unlucky = await onItsWay();
    for (let kill = 0; kill < 10; kill += 1) await liveAndDie();
    begin({ steadyMs: 0 });
    client.answer = (message) => accepted(message);
    await outbox.instanceReady(instance.id, client);
    await until('it is accepted', async () => (await stateOf(unlucky)) === 'accepted');
    expect(client.sent).toMatchObject([{ waId: unlucky.waId, retry: true }]);
  });

  it('hands suspects over one by one, and ends only the one that a page does not outlive', async () => {
    const poison = await onItsWay({ attempts: 4 });
    const beside = await onItsWay({ attempts: 4 });
    const fresh = await onItsWay();
    await outbox.close();
    begin({ steadyMs: 0 });
    await outbox.instanceReady(instance.id, client);
    await until('two are handed over', () => client.sent.length === 2);
    expect(sentIds()).toEqual([fresh.waId, poison.waId]);

    await outbox.close();
    begin({ steadyMs: 0 });
    client.answer = (message) => accepted(message);
    await outbox.instanceReady(instance.id, client);
    await until('the others are accepted', async () => (await stateOf(beside)) === 'accepted');
    expect([await stateOf(fresh), await stateOf(poison)]).toEqual(['accepted', 'uncertain: no_answer_from_page']);
    expect(sentIds()).toEqual([fresh.waId, beside.waId]);
  });

  it('looks the hopeless up before it gives them up', async () => {
    const stored = await onItsWay({ attempts: 5 });
    client.stored.set(stored.waId, { waId: stored.waId, waKey: stored.waKey, ack: 2 });
    await outbox.instanceReady(instance.id, client);
    await until('it is known', async () => (await stateOf(stored)) === 'delivered');
  });

  it('does not give a message up because the line drops again and again while the page is at it', async () => {
    const slow = await onItsWay();
    for (let drop = 0; drop < 10; drop += 1) {
      outbox.instanceGone(instance.id);
      await outbox.instanceReady(instance.id, client);
    }
    expect(await stateOf(slow)).toBe('sending');
    expect(client.sent.at(-1)).toMatchObject({ waId: slow.waId, retry: true });
    outbox.onSent(instance.id, [accepted(slow)]);
    expect(await stateOf(slow)).toBe('accepted');
  });

  it('does not send late what was on its way when its time to live ended', async () => {
    const past = { expiresAt: Date.now() - 1 };
    const [code, stored] = [await onItsWay(past), await onItsWay(past)];
    client.stored.set(stored.waId, { waId: stored.waId, waKey: stored.waKey, ack: 1 });
    await outbox.instanceReady(instance.id, client);
    await until('one is known', async () => (await stateOf(stored)) === 'sent');
    expect(await stateOf(code)).toBe('uncertain: expired');
    expect(client.sent).toEqual([]);
  });

  it('does not send a suspect late that waited for another', async () => {
    const first = await onItsWay({ attempts: 4 });
    const code = await onItsWay({ attempts: 4, expiresAt: clock.now() + 60_000 });
    await outbox.close();
    begin({ steadyMs: 0 });
    await outbox.instanceReady(instance.id, client);
    await until('the first is handed over', () => client.sent.length === 1);
    clock.advance(61_000);
    outbox.onSent(instance.id, [accepted(first)]);
    await until('the other has ended', async () => (await stateOf(code)) !== 'sending');
    expect(await stateOf(code)).toBe('uncertain: expired');
    expect(sentIds()).toEqual([first.waId]);
  });

  it('still tries a suspect again when the page says that it went wrong', async () => {
    const suspect = await onItsWay({ attempts: 4 });
    await outbox.close();
    begin({ steadyMs: 0 });
    let left = 3;
    client.answer = (message) =>
      left-- > 0 ? { result: 'error', waId: message.waId, detail: 'upload failed' } : accepted(message);
    await outbox.instanceReady(instance.id, client);
    await until('it is accepted', async () => (await stateOf(suspect)) === 'accepted');
  });
});
