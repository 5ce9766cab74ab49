import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Instance } from '../../src/model/instance.ts';
import { priorities } from '../../src/model/message.ts';
import { type CampaignBed, createCampaignBed, noPacing, phones } from '../support/campaigns.ts';
import { accepted } from '../support/client.ts';
import { fullScans } from '../support/explain.ts';
import { runSimulatedClock } from '../support/campaign-clock.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createTestClock, type TestClock, until } from '../support/clock.ts';
import { forEachDatabaseAndRepeated, type TestDatabase } from '../support/database.ts';
import { buildInstance, buildMessage } from '../support/factories.ts';

forEachDatabaseAndRepeated((open) => {
  let opened: TestDatabase;
  let instance: Instance;
  let clock: TestClock;
  let canSend: boolean;
  let bed: CampaignBed;

  beforeEach(async () => {
    opened = await open();
    instance = await buildInstance(opened.database);
    clock = createTestClock();
    canSend = true;
    bed = createCampaignBed({ database: opened.database, instance, clock, canSend: () => canSend });
  });

  afterEach(async () => {
    await bed.close();
    await opened.drop();
  });

  const status = (id: string) => bed.campaigns.status(bed.caller, id);
  const stateIs = (id: string, state: string) =>
    until(`${id} is ${state}`, async () => (await status(id)).state === state);
  const eventTypes = () => bed.events.map(({ type }) => type).filter((type) => type.startsWith('campaign.'));

  async function expectExact(id: string, counts: object): Promise<void> {
    const { counters, rows } = await bed.counts(id);
    expect(counters).toEqual(rows);
    expect(counters).toMatchObject(counts);
  }

  it('sends to everybody once, one after another, and is completed', async () => {
    await bed.connect();
    const { id } = await bed.campaign(phones(5));
    await stateIs(id, 'completed');
    expect(bed.client.sent.map(({ chat }) => chat)).toEqual(phones(5).map((phone) => `${phone}@c.us`));
    await expectExact(id, { accepted: 5, queued: 0, sending: 0 });
    expect(eventTypes()).toEqual(['campaign.started', 'campaign.completed']);
  });

  it('never has two bulk messages on their way', async () => {
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

  it('gives each recipient their own text, the same again after a retry', async () => {
    await bed.connect();
    const { id } = await bed.campaign([], {
      message: '{Hi|Hello} {{name}}, {{city|dear customer}}',
      recipients: [
        [
          { number: '0757 100 001', variables: { Name: 'Asha' } },
          { number: '+255757100002', variables: { name: 'Juma', city: 'Arusha' } },
        ],
      ],
    });
    await stateIs(id, 'completed');
    expect(bed.texts()[0]).toMatch(/^(Hi|Hello) Asha, dear customer$/);
    expect(bed.texts()[1]).toMatch(/^(Hi|Hello) Juma, Arusha$/);
  });

  it('writes nothing when a variable is missing', async () => {
    await expect(
      bed.campaign([], {
        message: 'Hi {{name}}',
        recipients: [[{ number: '255757100001', variables: { name: 'A' } }], [{ number: '255757100002' }]],
      }),
    ).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringContaining('255757100002') });
    expect(await bed.campaigns.list(bed.caller, { limit: 10 })).toEqual([]);
    expect(await opened.database.knex('campaign_recipients').count({ n: '*' }).first()).toEqual({ n: 0 });
  });

  it('pauses after at most the message on its way, and goes on where it was', async () => {
    bed.client.answer = () => 'silence';
    await bed.connect();
    const { id } = await bed.campaign(phones(4));
    await until('the first is handed over', () => bed.client.sent.length === 1);
    expect(await bed.campaigns.pause(bed.caller, id)).toMatchObject({ state: 'paused', pauseReason: 'user' });
    bed.client.answer = (message) => accepted(message);
    bed.outbox.onSent(instance.id, [accepted(bed.client.sent[0]!)]);
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(bed.client.sent).toHaveLength(1);
    await expectExact(id, { accepted: 1, queued: 3 });
    expect((await bed.campaigns.pause(bed.caller, id)).state).toBe('paused');

    await bed.campaigns.resume(bed.caller, id);
    expect((await bed.campaigns.resume(bed.caller, id)).state).toBe('running');
    await stateIs(id, 'completed');
    expect(new Set(bed.client.sent.map(({ chat }) => chat)).size).toBe(4);
    await expect(bed.campaigns.pause(bed.caller, id)).rejects.toMatchObject({ code: 'conflict' });
    await until('the end is told', () => eventTypes().length === 4);
    expect(eventTypes()).toEqual(['campaign.started', 'campaign.paused', 'campaign.resumed', 'campaign.completed']);
  });

  it('counts duplicates and wrong numbers, and goes on with new recipients after its end', async () => {
    await bed.connect();
    const receipt = await bed.campaigns.create(bed.caller, {
      instance,
      message: 'hello',
      recipients: [['255757100001', '0757100001', 'nonsense', '255757100002'].map((number) => ({ number }))],
      pacing: noPacing,
      quietHours: null,
      start: true,
    });
    expect(receipt).toMatchObject({ total: 2, queued: 2, duplicates: 1, invalidCount: 1 });
    expect(receipt.invalid).toEqual([{ number: 'nonsense', reason: expect.any(String) }]);
    const { id } = receipt.campaign;
    await stateIs(id, 'completed');

    const added = await bed.campaigns.add(bed.caller, id, {
      recipients: [[{ number: '255757100002' }, { number: '255757100003' }]],
    });
    expect(added).toMatchObject({ total: 3, queued: 1, duplicates: 1, campaign: { state: 'running' } });
    await stateIs(id, 'completed');
    expect(bed.client.sent).toHaveLength(3);
    await expectExact(id, { accepted: 3 });
  });

  it('is held while the instance is away, and sends when it comes', async () => {
    const { id } = await bed.campaign(phones(2));
    await until('it is held', async () => (await status(id)).hold === 'disconnected');
    expect((await status(id)).state).toBe('running');
    await bed.connect();
    await stateIs(id, 'completed');
  });

  it('is held while the page cannot send its kind, and goes on by itself', async () => {
    canSend = false;
    await bed.connect();
    const { id } = await bed.campaign(phones(2));
    await until('it is held', async () => (await status(id)).hold === 'feature_missing');
    expect(bed.client.sent).toHaveLength(0);
    canSend = true;
    bed.dispatcher.nudge(instance.id);
    await stateIs(id, 'completed');
    await expectExact(id, { accepted: 2 });
  });

  it('loses and doubles nothing when it ends in the middle of a send', async () => {
    bed.client.answer = () => 'silence';
    await bed.connect();
    const { id } = await bed.campaign(phones(3));
    await until('the first is handed over', () => bed.client.sent.length === 1);
    const [first] = bed.client.sent;
    await bed.close();

    bed = createCampaignBed({ database: opened.database, instance, clock });
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
    const other = createCampaignBed({ database: opened.database, instance, clock });
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

  it('keeps the gap that was drawn, also over a restart', async () => {
    await bed.connect();
    const { id } = await bed.campaign(phones(2), {
      pacing: { ...noPacing, medianMs: 30_000, minMs: 30_000, maxMs: 30_000 },
    });
    await until('the first is sent', async () => (await bed.counts(id)).counters.accepted === 1);
    const nextSendAt = (await status(id)).nextSendAt!;
    expect(nextSendAt - clock.now()).toBeGreaterThan(25_000);
    await bed.close();
    bed = createCampaignBed({ database: opened.database, instance, clock });
    await bed.connect();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(bed.client.sent).toHaveLength(0);
    expect((await status(id)).nextSendAt).toBeGreaterThanOrEqual(nextSendAt);
    clock.advance(31_000);
    await bed.lifecycle.tick();
    await stateIs(id, 'completed');
  });

  it('stops at the cap of the day and goes on the next', async () => {
    await bed.connect();
    const { id } = await bed.campaign(phones(5), { pacing: { ...noPacing, dailyCap: 2 } });
    await until('it is held', async () => (await status(id)).hold === 'daily_cap');
    expect(bed.client.sent).toHaveLength(2);
    const { holdUntil, nextSendAt } = await status(id);
    expect(nextSendAt).toBe(holdUntil);
    clock.advance(holdUntil! - clock.now() + 1_000);
    await bed.lifecycle.tick();
    await until('two more are sent', () => bed.client.sent.length === 4);
  });

  it('writes to strangers up to their own cap, and to those who wrote first beyond it', async () => {
    await bed.connect();
    const [known, ...strangers] = phones(4) as [string, string, string, string];
    await opened.database.transaction(async (trx) => {
      const chat = `${known}@c.us` as never;
      const message = buildMessage(instance, {
        direction: 'in',
        senderPhone: known,
        chat,
        content: { type: 'text', text: 'hi' },
      });
      await bed.optOuts.heard(trx, instance, [message]);
    });
    const { id } = await bed.campaign([known, ...strangers], { pacing: { ...noPacing, newChatCap: 1 } });
    await until('it is held', async () => (await status(id)).hold === 'new_chat_cap');
    expect(bed.client.sent.map(({ chat }) => chat)).toEqual([`${known}@c.us`, `${strangers[0]}@c.us`]);
  });

  it('keeps quiet hours where the recipient lives', async () => {
    const now = new Date(clock.now());
    const hour = (offset: number) => `${String((now.getUTCHours() + 3 + offset + 48) % 24).padStart(2, '0')}:00`;
    await bed.connect();
    const { id } = await bed.campaign(['255757100001'], { quietHours: { from: hour(-1), to: hour(2) } });
    await until('it is held', async () => (await status(id)).hold === 'quiet_hours');
    clock.advance((await status(id)).holdUntil! - clock.now() + 1_000);
    await bed.lifecycle.tick();
    await stateIs(id, 'completed');
  });

  it('writes to nobody who opted out, before or while it runs, and again after START', async () => {
    const [one, two, three] = phones(3) as [string, string, string];
    const says = (phone: string, text: string) =>
      opened.database.transaction((trx) =>
        bed.optOuts.heard(trx, instance, [
          buildMessage(instance, {
            direction: 'in',
            chat: `${phone}@c.us` as never,
            senderPhone: phone,
            content: { type: 'text', text },
          }),
        ]),
      );
    await says(one, 'STOP');
    const { id } = await bed.campaign([one, two, three]);
    await expectExact(id, { opted_out: 1, queued: 2 });
    await says(two, ' Acha! ');
    await bed.connect();
    await stateIs(id, 'completed');
    expect(bed.client.sent.map(({ chat }) => chat)).toEqual([`${three}@c.us`]);
    await expectExact(id, { opted_out: 2, accepted: 1 });

    // Only who had a bulk message is answered, and once.
    await says(three, 'stop');
    await says(three, 'stop');
    await until('the answer is sent', () => bed.client.sent.length === 2);
    expect(bed.texts()[1]).toContain('START');
    await says(one, 'start');
    const again = await bed.campaign([one, two, three], { message: 'once more' });
    await stateIs(again.id, 'completed');
    await expectExact(again.id, { opted_out: 2, accepted: 1 });
    expect(bed.events.map(({ type }) => type).filter((type) => type.startsWith('contact.'))).toEqual([
      'contact.opted_out',
      'contact.opted_out',
      'contact.opted_out',
      'contact.opted_in',
    ]);
  });

  it('does not send the same text to a person twice within a day', async () => {
    await bed.connect();
    const first = await bed.campaign(phones(2));
    await stateIs(first.id, 'completed');
    const second = await bed.campaign(phones(3));
    await stateIs(second.id, 'completed');
    await expectExact(second.id, { duplicate: 2, accepted: 1 });
    clock.advance(25 * 3_600_000);
    const third = await bed.campaign(phones(2));
    await stateIs(third.id, 'completed');
    await expectExact(third.id, { accepted: 2 });
  });

  it('remembers who is not on WhatsApp, and pauses after three failures in a row', async () => {
    await bed.connect();
    bed.client.answer = (message) => ({ result: 'refused', waId: message.waId, reason: 'not_on_whatsapp', detail: '' });
    const wrong = await bed.campaign(phones(4));
    await stateIs(wrong.id, 'completed');
    await expectExact(wrong.id, { invalid_number: 4 });
    bed.client.answer = (message) => ({
      result: 'refused',
      waId: message.waId,
      reason: 'rejected_by_whatsapp',
      detail: '',
    });
    const { id } = await bed.campaign(phones(10), { message: 'again' });
    await stateIs(id, 'paused');
    expect(bed.client.sent).toHaveLength(4 + 3);
    expect(await status(id)).toMatchObject({ pauseReason: 'repeated_errors' });
    await expectExact(id, { invalid_number: 4, failed: 3, queued: 3 });
    // The wrong numbers were not asked for again, and the failed ones can be.
    bed.client.answer = (message) => accepted(message);
    expect(await bed.campaigns.retryFailed(bed.caller, id)).toMatchObject({ retried: 3 });
    await bed.campaigns.resume(bed.caller, id);
    await stateIs(id, 'completed');
    await expectExact(id, { invalid_number: 4, failed: 0, accepted: 6 });
  });

  it('counts acks forward', async () => {
    await bed.connect();
    const { id } = await bed.campaign(phones(2), { recipientEvents: true });
    await stateIs(id, 'completed');
    const [one, two] = bed.client.sent;
    const key = (message: { chat: string; waId: string }) => `true_${message.chat}_${message.waId}`;
    bed.outbox.onAcks(instance.id, [{ waId: one!.waId, waKey: key(one!), ack: 3 }]);
    bed.outbox.onAcks(instance.id, [{ waId: two!.waId, waKey: key(two!), ack: 1 }]);
    await expectExact(id, { read: 1, sent: 1 });
    expect((await status(id)).counters).toMatchObject({ total: 2, sent: 2, delivered: 1, read: 1 });
    expect(bed.events.filter(({ type }) => type === 'campaign.recipient').map(({ payload }) => payload)).toContainEqual(
      {
        campaignId: id,
        phone: phones(1)[0],
        state: 'read',
        reason: null,
        messageId: expect.any(String),
      },
    );
  });

  it('cancels what is left, now or at its end time', async () => {
    const { id } = await bed.campaign(phones(6));
    expect(await bed.campaigns.cancel(bed.caller, id)).toMatchObject({ state: 'cancelled' });
    expect((await bed.campaigns.cancel(bed.caller, id)).state).toBe('cancelled');
    await until('what is left is swept', async () => (await status(id)).counts.cancelled === 6);
    await expectExact(id, { cancelled: 6, queued: 0 });
    await expect(bed.campaigns.resume(bed.caller, id)).rejects.toMatchObject({ code: 'conflict' });
    await expect(
      bed.campaigns.add(bed.caller, id, { recipients: [[{ number: '255757100009' }]] }),
    ).rejects.toMatchObject({ code: 'conflict' });
    await expectExact(id, { cancelled: 6 });

    const timed = await bed.campaign(phones(3, 10), { endAt: clock.now() + 60_000 });
    clock.advance(61_000);
    await bed.lifecycle.tick();
    expect(await status(timed.id)).toMatchObject({ state: 'cancelled', pauseReason: 'end_time' });
    await until('what is left is swept', async () => (await status(timed.id)).counts.cancelled === 3);
    await expectExact(timed.id, { cancelled: 3 });
  });

  it('starts at its time', async () => {
    await bed.connect();
    const { id, state } = await bed.campaign(phones(1), { scheduleAt: clock.now() + 60_000 });
    expect(state).toBe('scheduled');
    await bed.lifecycle.tick();
    expect(bed.client.sent).toHaveLength(0);
    clock.advance(61_000);
    await bed.lifecycle.tick();
    await stateIs(id, 'completed');
  });

  it('fails when its instance is deleted, and pauses when it is logged out', async () => {
    const { id } = await bed.campaign(phones(2));
    await bed.outbox.abandon(instance.id, 'profile_lost');
    expect(await status(id)).toMatchObject({ state: 'paused', pauseReason: 'logged_out' });
    await bed.outbox.abandon(instance.id, 'instance_deleted');
    expect(await status(id)).toMatchObject({ state: 'failed', pauseReason: 'instance_deleted' });
    await expectExact(id, { cancelled: 2 });
  });

  it('fails when its instance was deleted while it was made', async () => {
    await createInstanceStore(opened.database).remove(instance.id, clock.now());
    const { id } = await bed.campaign(phones(2));
    await stateIs(id, 'failed');
    await bed.lifecycle.tick();
    await expectExact(id, { cancelled: 2 });
  });

  it('takes lists that are added at the same time', async () => {
    const { id } = await bed.campaign(phones(2));
    const add = (count: number, from: number) =>
      bed.campaigns.add(bed.caller, id, { recipients: [phones(count, from).map((number) => ({ number }))] });
    const receipts = await Promise.all([add(50, 0), add(50, 25), add(50, 50)]);
    expect(receipts.reduce((sum, { queued }) => sum + queued, 0)).toBe(98);
    expect(receipts.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(52);
    await expectExact(id, { queued: 100 });
    await expect(bed.campaigns.add(bed.caller, id, { recipients: [] })).rejects.toMatchObject({
      code: 'invalid_input',
    });
    await expectExact(id, { queued: 100 });
  });

  it('lets messages of people go first', async () => {
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

  it('removes what a gateway that ended was still loading', async () => {
    const { id } = await bed.campaign(phones(2));
    const endless = (async function* () {
      yield phones(9_000, 100).map((number) => ({ number }));
      await new Promise(() => undefined);
    })();
    void bed.campaigns.add(bed.caller, id, { recipients: endless }).catch(() => undefined);
    const neverMade = () =>
      bed.campaign(phones(1), {
        recipients: (async function* () {
          await new Promise(() => undefined);
          yield [];
        })(),
      });
    void neverMade();
    void neverMade();
    await until(
      'all three are in the table',
      async () => Number((await opened.database.knex('campaigns').count({ n: '*' }).first())!.n) === 3,
    );
    await until(
      'some are written',
      async () => Number((await opened.database.knex('campaign_recipients').count({ n: '*' }).first())!.n) > 8_000,
    );
    const restarted = createCampaignBed({ database: opened.database, instance, clock });
    await restarted.lifecycle.start();
    expect((await restarted.counts(id)).rows.queued).toBe(2);
    expect([id, (await restarted.campaign(phones(1, 500))).id]).toEqual(['WAP-CAM-0001', 'WAP-CAM-0002']);
    const added = await restarted.campaigns.add(restarted.caller, id, {
      recipients: [phones(10, 100).map((number) => ({ number }))],
    });
    expect(added).toMatchObject({ queued: 10, duplicates: 0 });
    await restarted.close();
  });

  it('writes to no strangers while WhatsApp has locked that, and pauses when its quota is nearly used up', async () => {
    const endsAt = clock.now() + 3_600_000;
    const { id } = await bed.campaign(phones(2));
    bed.client.told = { timelock: { isActive: true, endsAt }, newChats: null };
    await bed.connect();
    await until('it is held', async () => (await status(id)).hold === 'timelock');
    expect(await status(id)).toMatchObject({ holdUntil: endsAt, nextSendAt: endsAt });
    bed.client.told = { timelock: { isActive: false, endsAt: null }, newChats: { used: 91, total: 100 } };
    await bed.lifecycle.inspect();
    expect(await status(id)).toMatchObject({ state: 'paused', pauseReason: 'quota_used_up' });
    expect(bed.client.sent).toHaveLength(0);
    bed.client.told = { timelock: null, newChats: null };
    await bed.campaigns.resume(bed.caller, id);
    await stateIs(id, 'completed');
  });

  it('keeps every gap, cap and quiet hour over weeks of a simulated clock', async () => {
    const report = await runSimulatedClock({ database: opened.database, sends: 400 });
    expect(report.broken).toEqual([]);
    expect(report.sends).toBe(400);
    expect(report.days).toBeGreaterThan(6);
  });

  it('looks at no table as a whole, however many recipients there are', async () => {
    await bed.connect();
    const statements = new Map<string, unknown[]>();
    opened.database.knex.on('query', ({ sql, bindings }: { sql: string; bindings: unknown[] }) =>
      statements.set(sql, bindings),
    );
    const { id } = await bed.campaign(phones(300), {
      pacing: { ...noPacing, medianMs: 1_000, minMs: 1_000, maxMs: 1_000 },
    });
    for (let sends = 0; sends < 3; sends += 1) {
      clock.advance(2_000);
      await bed.lifecycle.tick();
      await until('it is sent', async () => (await bed.counts(id)).counters.accepted > sends);
    }
    await status(id);
    opened.database.knex.removeAllListeners('query');
    expect(await fullScans(opened.database, statements)).toEqual([]);
  });
});
