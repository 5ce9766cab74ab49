import { expect, it } from 'vitest';
import { runSimulatedClock } from '../../support/campaign-clock.ts';
import { useCampaigns } from '../../support/campaign-suite.ts';
import { noPacing, phones } from '../../support/campaigns.ts';
import { accepted } from '../../support/client.ts';
import { until } from '../../support/clock.ts';
import { forEachDatabaseAndRepeated } from '../../support/database.ts';
import { buildMessage } from '../../support/factories.ts';

forEachDatabaseAndRepeated((open) => {
  const suite = useCampaigns(open);
  const { status, stateIs, expectExact } = suite;

  it('keeps the gap that was drawn, also over a restart', async () => {
    const { clock } = suite;
    let { bed } = suite;
    await bed.connect();
    const { id } = await bed.campaign(phones(2), {
      pacing: { ...noPacing, medianMs: 30_000, minMs: 30_000, maxMs: 30_000 },
    });
    await until('the first is sent', async () => (await bed.counts(id)).counters.accepted === 1);
    const nextSendAt = (await status(id)).nextSendAt!;
    expect(nextSendAt - clock.now()).toBeGreaterThan(25_000);
    bed = await suite.restart();
    await bed.connect();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(bed.client.sent).toHaveLength(0);
    expect((await status(id)).nextSendAt).toBeGreaterThanOrEqual(nextSendAt);
    clock.advance(31_000);
    await bed.lifecycle.tick();
    await stateIs(id, 'completed');
  });

  it('stops at the cap of the day and goes on the next', async () => {
    const { bed, clock } = suite;
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
    const { bed, instance, opened } = suite;
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
    const { bed, clock } = suite;
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
    const { bed, instance, opened } = suite;
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
    const { bed, clock } = suite;
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
    const { bed } = suite;
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

  it('writes to no strangers while WhatsApp has locked that, and pauses when its quota is nearly used up', async () => {
    const { bed, clock } = suite;
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
    const { opened } = suite;
    const report = await runSimulatedClock({ database: opened.database, sends: 400 });
    expect(report.broken).toEqual([]);
    expect(report.sends).toBe(400);
    expect(report.days).toBeGreaterThan(6);
  });
});
