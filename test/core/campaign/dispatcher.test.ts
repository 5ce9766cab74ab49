import { expect, it } from 'vitest';
import { priorities } from '../../../src/model/message.ts';
import { useCampaigns } from '../../support/campaign-suite.ts';
import { phones } from '../../support/campaigns.ts';
import { accepted } from '../../support/client.ts';
import { until } from '../../support/clock.ts';
import { forEachDatabaseAndRepeated } from '../../support/database.ts';
import { buildMessage } from '../../support/factories.ts';

forEachDatabaseAndRepeated((open) => {
  const suite = useCampaigns(open);
  const { status, stateIs, expectExact } = suite;

  it('never has two bulk messages on their way', async () => {
    const { bed, instance } = suite;
    bed.client.answer = () => 'silence';
    await bed.connect();
    const { id } = await bed.campaign(phones(3));
    await until('the first is handed over', () => bed.client.sent.length === 1);
    bed.dispatcher.nudge(instance.id);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(bed.client.sent).toHaveLength(1);
    await expectExact(id, { queued: 2, sending: 1 });
    bed.client.answer = (message) => accepted(message);
    bed.outbox.onSent(instance.id, [accepted(bed.client.sent[0]!)]);
    await stateIs(id, 'completed');
  });

  it('is held while the instance is away, and sends when it comes', async () => {
    const { bed } = suite;
    const { id } = await bed.campaign(phones(2));
    await until('it is held', async () => (await status(id)).hold === 'disconnected');
    expect((await status(id)).state).toBe('running');
    await bed.connect();
    await stateIs(id, 'completed');
  });

  it('is held while the page cannot send its kind, and goes on by itself', async () => {
    const { bed, instance } = suite;
    suite.canSend = false;
    await bed.connect();
    const { id } = await bed.campaign(phones(2));
    await until('it is held', async () => (await status(id)).hold === 'feature_missing');
    expect(bed.client.sent).toHaveLength(0);
    suite.canSend = true;
    bed.dispatcher.nudge(instance.id);
    await stateIs(id, 'completed');
    await expectExact(id, { accepted: 2 });
  });

  it('leaves the page to others, and loses nobody, when a disk does not keep whom it took', async () => {
    const { bed, opened, instance } = suite;
    const { database } = opened;
    const { flushed } = database;
    let left = 3;
    database.flushed = async () => {
      if (left-- > 0) throw new Error('EIO: i/o error, fdatasync');
      return flushed();
    };
    await bed.connect();
    const { id } = await bed.campaign(phones(3));
    await until('it is broken', async () => (await status(id)).hold === 'storage');
    for (const fails of [1, 0]) {
      bed.dispatcher.nudge(instance.id);
      await until('it has tried again', () => left === fails);
    }
    await until('it has ended', async () => (await status(id)).hold === 'storage');
    await expectExact(id, { queued: 2, sending: 1 });
    expect(bed.client.sent).toEqual([]);
    await bed.connect();
    await stateIs(id, 'completed');
    await expectExact(id, { accepted: 3 });
    expect(bed.client.sent).toHaveLength(3);
  });

  it('loses and doubles nothing when it ends in the middle of a send', async () => {
    let { bed } = suite;
    bed.client.answer = () => 'silence';
    await bed.connect();
    const { id } = await bed.campaign(phones(3));
    await until('the first is handed over', () => bed.client.sent.length === 1);
    const [first] = bed.client.sent;
    bed = await suite.restart();
    await bed.lifecycle.start();
    await bed.connect();
    await stateIs(id, 'completed');
    expect(bed.client.sent.map(({ waId, chat, retry }) => ({ waId, chat, retry }))[0]).toEqual({
      waId: first!.waId,
      chat: first!.chat,
      retry: true,
    });
    expect(bed.client.sent.map(({ chat }) => chat)).toEqual(phones(3).map((phone) => `${phone}@c.us`));
    await expectExact(id, { accepted: 3 });
  });

  it('sends nothing twice when two gateways pump the same number at once', async () => {
    const { bed, instance } = suite;
    const other = suite.another();
    const { id } = await bed.campaign(phones(20));
    await Promise.all([bed.connect(), other.connect()]);
    const nudging = setInterval(() => {
      bed.dispatcher.nudge(instance.id);
      other.dispatcher.nudge(instance.id);
    }, 3);
    await stateIs(id, 'completed');
    clearInterval(nudging);
    const chats = [...bed.client.sent, ...other.client.sent].map(({ chat }) => chat);
    expect(chats.toSorted()).toEqual(phones(20).map((phone) => `${phone}@c.us`));
    await other.close();
    await expectExact(id, { accepted: 20 });
  });

  it('lets messages of people go first', async () => {
    const { bed, instance } = suite;
    await bed.connect();
    bed.client.answer = () => 'silence';
    const waiting = Array.from({ length: 20 }, () => buildMessage(instance, { priority: priorities.interactive }));
    await bed.messages.insert(waiting);
    bed.outbox.added(waiting);
    await until('the page is full', () => bed.client.sent.length === 16);
    const { id } = await bed.campaign(phones(1));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(bed.client.sent.some(({ chat }) => chat === `${phones(1)[0]}@c.us`)).toBe(false);
    bed.client.answer = (message) => accepted(message);
    bed.outbox.onSent(
      instance.id,
      bed.client.sent.slice(0, 16).map((message) => accepted(message)),
    );
    await stateIs(id, 'completed');
    expect(bed.client.sent.at(-1)!.chat).toBe(`${phones(1)[0]}@c.us`);
  });
});
