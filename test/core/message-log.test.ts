import { afterEach, beforeEach, expect, it } from 'vitest';
import { createMessageLog, type MessageLog } from '../../src/core/message-log.ts';
import { createIdSource } from '../../src/model/ids.ts';
import type { Instance } from '../../src/model/instance.ts';
import { parseJid } from '../../src/model/jid.ts';
import { type Message, type MessageState, messageStates } from '../../src/model/message.ts';
import { accountCaller, type Caller } from '../../src/model/token.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createLidStore } from '../../src/store/lids.ts';
import { createMessageLogStore } from '../../src/store/message-log.ts';
import { createMessageStore, type MessageStore } from '../../src/store/messages.ts';
import { createTestClock, type TestClock } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { buildInstance, buildMessage } from '../support/factories.ts';

const dayMs = 86_400_000;

forEachDatabase((open) => {
  let opened: TestDatabase;
  let store: MessageStore;
  let instance: Instance;
  let clock: TestClock;
  let flushed: number;

  beforeEach(async () => {
    opened = await open();
    store = createMessageStore(opened.database);
    instance = await buildInstance(opened.database);
    clock = createTestClock();
    flushed = 0;
  });
  afterEach(() => opened.drop());

  function start({ retentionDays = 365, webhookRetentionDays = 14 } = {}): MessageLog {
    return createMessageLog({
      store: createMessageLogStore(opened.database),
      lids: createLidStore(opened.database),
      instances: createInstanceStore(opened.database),
      flush: async () => void (flushed += 1),
      defaultCountry: 'KE',
      retentionDays,
      webhookRetentionDays,
      clock,
    });
  }

  const caller = (): Caller => accountCaller(instance.accountId);
  const bound = (instanceId: string): Caller => ({ ...caller(), token: { ...caller().token, instanceId } });
  const idsOf = ({ messages }: { messages: Message[] }) => messages.map((message) => message.id);

  /** A message made so many days ago. */
  function aged(days: number, patch: Partial<Message> = {}): Message {
    const createdAt = clock.now() - days * dayMs;
    return buildMessage(instance, { id: createIdSource(() => createdAt)(), createdAt, state: 'read', ...patch });
  }

  async function left(): Promise<string[]> {
    return ((await opened.database.knex('messages').orderBy('id').select('id')) as { id: string }[]).map(
      ({ id }) => id,
    );
  }

  it('shows a token of one instance that instance only', async () => {
    const second = await createInstanceStore(opened.database).create({
      accountId: instance.accountId,
      title: null,
      defaultCountry: null,
      now: clock.now(),
    });
    const mine = buildMessage(instance);
    const theirs = buildMessage(second);
    await store.insert([mine, theirs]);
    const log = start();
    expect(idsOf(await log.list(caller(), { limit: 10 }))).toEqual([theirs.id, mine.id]);
    expect(idsOf(await log.list(bound(second.id), { limit: 10 }))).toEqual([theirs.id]);
    expect(idsOf(await log.list(bound(second.id), { limit: 10, chat: mine.chat }))).toEqual([theirs.id]);
    for (const instanceId of [instance.id, 'INST-01-9999999'])
      await expect(log.list(bound(second.id), { limit: 10, instanceId })).rejects.toMatchObject({
        code: 'instance_not_found',
      });
    await expect(log.list(accountCaller('CUST-9999'), { limit: 10, instanceId: second.id })).rejects.toMatchObject({
      code: 'instance_not_found',
    });
    expect(flushed).toBe(3);
  });

  it('still shows the messages of an instance that was deleted', async () => {
    const message = buildMessage(instance);
    await store.insert([message]);
    await createInstanceStore(opened.database).remove(instance.id, clock.now());
    expect(idsOf(await start().list(caller(), { limit: 10, instanceId: instance.id }))).toEqual([message.id]);
  });

  it('finds a person’s chat by the number, as people write it, and by the LID it has become', async () => {
    const byNumber = buildMessage(instance);
    const lid = parseJid('120542636048510@lid')!;
    const byLid = buildMessage(instance, { chat: lid, direction: 'in', state: 'received' });
    await store.insert([byNumber, byLid, buildMessage(instance, { chat: parseJid('255757999999@c.us')! })]);
    await opened.database.transaction((trx) =>
      createLidStore(opened.database).remember(trx, [{ lid, phone: '255757123456' }], clock.now()),
    );
    const log = start();
    for (const chat of ['+255 757 123 456', '255757123456@c.us', lid])
      expect(idsOf(await log.list(caller(), { limit: 10, chat }))).toEqual([byLid.id, byNumber.id]);
    const local = { limit: 10, chat: '0757 123 456' };
    expect(idsOf(await log.list(caller(), { ...local, instanceId: instance.id }))).toHaveLength(2);
    expect(idsOf(await log.list(caller(), { ...local, country: 'TZ' }))).toHaveLength(2);
    expect(idsOf(await log.list(caller(), local))).toEqual([]);
    await expect(log.list(caller(), { limit: 10, chat: '12' })).rejects.toMatchObject({ code: 'invalid_number' });
  });

  it('forgets what is over after the retention time, and only that', async () => {
    const old = messageStates.map((state) => aged(400, { state, sendAt: null, priority: 5 }));
    const waiting: MessageState[] = ['scheduled', 'queued', 'sending', 'fetching'];
    const lately = [aged(400, { ackedAt: clock.now() - dayMs }), aged(400, { editedAt: clock.now() - dayMs })];
    const young = aged(364);
    await store.insert([...old, ...lately, young]);
    const keep = [...old.filter(({ state }) => waiting.includes(state)), ...lately, young].map(({ id }) => id);
    expect(await start().prune()).toBe(old.length - waiting.length);
    expect(await left()).toEqual(keep.toSorted());
    expect(await start({ retentionDays: 0 }).prune()).toBe(0);
  });

  it('never forgets what webhooks may still tell of', async () => {
    const told = aged(14);
    await store.insert([aged(16), told]);
    await start({ retentionDays: 1 }).prune();
    expect(await left()).toEqual([told.id]);
  });

  it('leaves campaigns their recipients and counters, and takes reactions along', async () => {
    const message = aged(400, { campaign: { campaignId: 'WAP-CAM-0001', lane: 0, seq: 1 } });
    await store.insert([message]);
    const { knex } = opened.database;
    const slot = { campaign_id: 1, lane: 0, seq: 1, phone: 255757123456, state: 5, message_id: message.id };
    await knex('campaign_recipients').insert(slot);
    await knex('message_reactions').insert({ message_id: message.id, sender: 'x@c.us', emoji: '👍', reacted_at: 1 });
    expect(await start().prune()).toBe(1);
    expect(await knex('campaign_recipients').first()).toMatchObject({ state: 5, message_id: message.id });
    expect(await knex('message_reactions')).toEqual([]);
  });

  it('goes through any number in small batches by the key, and past what stays', async () => {
    const stays = Array.from({ length: 700 }, () => aged(401, { state: 'queued' }));
    const goes = Array.from({ length: 1_200 }, () => aged(400));
    await opened.database.transaction(async (trx) => {
      for (const rows of [stays, goes])
        for (let at = 0; at < rows.length; at += 100) await store.insert(rows.slice(at, at + 100), trx);
    });
    if (opened.database.engine === 'mysql') await opened.database.knex.raw('ANALYZE TABLE messages');
    const statements = new Map<string, unknown[]>();
    const listen = ({ sql, bindings }: { sql: string; bindings: unknown[] }) => void statements.set(sql, bindings);
    opened.database.knex.on('query', listen);
    expect(await start().prune()).toBe(1_200);
    opened.database.knex.off('query', listen);
    for (const bindings of statements.values()) expect(bindings.length).toBeLessThanOrEqual(501);
    expect(await left()).toHaveLength(700);
  });
});
