import { expect, it } from 'vitest';
import { createMessageDueStore } from '../../src/store/message-due.ts';
import { type AckUpdate, createMessageStore } from '../../src/store/messages.ts';
import { forEachDatabase } from '../support/database.ts';
import { buildInstance, buildMessage, newId } from '../support/factories.ts';

forEachDatabase((open) => {
  it('takes inserts, claims and acks at once: every message is claimed by exactly one', async () => {
    const { database, drop } = await open();
    const messages = createMessageStore(database);
    const instance = await buildInstance(database);
    const claimed: string[] = [];
    const sending: AckUpdate[] = [];
    const load = { inserting: true };

    const insert = async () => {
      for (let index = 0; index < 24; index += 1) {
        const message = buildMessage(instance, { state: index % 2 ? 'queued' : 'sending' });
        await messages.insert([message]);
        if (index % 2 === 0) sending.push({ waId: message.waId, waKey: message.waKey, ack: 1, state: 'sent' });
      }
    };
    // Acks of messages that are not the gateway's come as well.
    const acknowledge = async () => {
      while (load.inserting) {
        const acks = [...sending.splice(0, 4), { waId: newId(), waKey: 'x', ack: 1 as const, state: 'sent' as const }];
        await database.transaction((trx) =>
          messages.applyAcks(trx, { instanceId: instance.id, acks, now: Date.now() }),
        );
      }
    };
    const claim = async () => {
      for (;;) {
        const last = !load.inserting;
        const rows = await messages.claimNext({ instanceId: instance.id, limit: 3, now: Date.now() });
        claimed.push(...rows.map((row) => row.id));
        if (rows.length === 0 && last) return;
      }
    };
    const others = [claim(), claim(), claim(), acknowledge(), acknowledge()];
    await Promise.all(Array.from({ length: 10 }, insert));
    load.inserting = false;
    await Promise.all(others);

    expect(claimed).toHaveLength(120);
    expect(new Set(claimed).size).toBe(120);
    await drop();
  });

  it('takes the most urgent first and leaves what has expired', async () => {
    const { database, drop } = await open();
    const messages = createMessageStore(database);
    const instance = await buildInstance(database);
    const bulk = buildMessage(instance, { priority: 5 });
    const urgent = buildMessage(instance, { priority: 0 });
    const late = buildMessage(instance, { priority: 0, expiresAt: Date.now() - 1 });
    await messages.insert([bulk, urgent, late]);
    const rows = await messages.claimNext({ instanceId: instance.id, limit: 10, now: Date.now() });
    expect(rows.map((row) => row.id)).toEqual([urgent.id, bulk.id]);
    expect(await createMessageDueStore(database).due(Date.now(), 10)).toEqual([{ id: late.id, dueAt: late.expiresAt }]);
    await drop();
  });

  it('finds a message by its WhatsApp id within its account only', async () => {
    const { database, drop } = await open();
    const messages = createMessageStore(database);
    const instance = await buildInstance(database);
    const message = buildMessage(instance);
    await messages.insert([message]);
    expect(await messages.byWaId({ accountId: instance.accountId, waId: message.waId })).toEqual(message);
    expect(await messages.byWaId({ accountId: 'CUST-9999', waId: message.waId })).toBeNull();
    await drop();
  });
});
