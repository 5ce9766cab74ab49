import { expect, it } from 'vitest';
import { createInstanceStore } from '../../src/store/instances.ts';
import { useCampaigns } from '../support/campaign-suite.ts';
import { noPacing, phones } from '../support/campaigns.ts';
import { accepted } from '../support/client.ts';
import { until } from '../support/clock.ts';
import { forEachDatabaseAndRepeated } from '../support/database.ts';
import { fullScans } from '../support/explain.ts';

forEachDatabaseAndRepeated((open) => {
  const suite = useCampaigns(open);
  const { status, stateIs, expectExact } = suite;
  const eventTypes = () => suite.bed.events.map(({ type }) => type).filter((type) => type.startsWith('campaign.'));

  it('sends to everybody once, one after another, and is completed', async () => {
    const { bed } = suite;
    await bed.connect();
    const { id } = await bed.campaign(phones(5));
    await stateIs(id, 'completed');
    expect(bed.client.sent.map(({ chat }) => chat)).toEqual(phones(5).map((phone) => `${phone}@c.us`));
    await expectExact(id, { accepted: 5, queued: 0, sending: 0 });
    expect(eventTypes()).toEqual(['campaign.started', 'campaign.completed']);
  });

  it('gives each recipient their own text, the same again after a retry', async () => {
    const { bed } = suite;
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
    const { bed, opened } = suite;
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
    const { bed, instance } = suite;
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
    const { bed, instance } = suite;
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

  it('counts acks forward', async () => {
    const { bed, instance } = suite;
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
    const { bed, clock } = suite;
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
    const { bed, clock } = suite;
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
    const { bed, instance } = suite;
    const { id } = await bed.campaign(phones(2));
    await bed.outbox.abandon(instance.id, 'profile_lost');
    expect(await status(id)).toMatchObject({ state: 'paused', pauseReason: 'logged_out' });
    await bed.outbox.abandon(instance.id, 'instance_deleted');
    expect(await status(id)).toMatchObject({ state: 'failed', pauseReason: 'instance_deleted' });
    await expectExact(id, { cancelled: 2 });
  });

  it('fails when its instance was deleted while it was made', async () => {
    const { bed, clock, instance, opened } = suite;
    await createInstanceStore(opened.database).remove(instance.id, clock.now());
    const { id } = await bed.campaign(phones(2));
    await stateIs(id, 'failed');
    await bed.lifecycle.tick();
    await expectExact(id, { cancelled: 2 });
  });

  it('takes lists that are added at the same time', async () => {
    const { bed } = suite;
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

  it('removes what a gateway that ended was still loading', async () => {
    const { bed, opened } = suite;
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
    const restarted = suite.another();
    await restarted.lifecycle.start();
    expect((await restarted.counts(id)).rows.queued).toBe(2);
    expect([id, (await restarted.campaign(phones(1, 500))).id]).toEqual(['WAP-CAM-0001', 'WAP-CAM-0002']);
    const added = await restarted.campaigns.add(restarted.caller, id, {
      recipients: [phones(10, 100).map((number) => ({ number }))],
    });
    expect(added).toMatchObject({ queued: 10, duplicates: 0 });
    await restarted.close();
  });

  it('looks at no table as a whole, however many recipients there are', async () => {
    const { bed, clock, opened } = suite;
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
