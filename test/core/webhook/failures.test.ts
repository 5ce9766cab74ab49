import { expect, it } from 'vitest';
import { systemClock } from '../../../src/model/time.ts';
import { createSettableClock, until } from '../../support/clock.ts';
import { forEachDatabaseAndRepeated } from '../../support/database.ts';
import { freePort } from '../../support/process.ts';
import type { Receiver } from '../../support/receiver.ts';
import { refuse, textOf, useWebhookBed } from '../../support/webhook-bed.ts';
import { fastPolicy } from '../../support/webhooks.ts';

const hourMs = 3_600_000;

forEachDatabaseAndRepeated((open) => {
  const bed = useWebhookBed(open);
  const { attempts, build, connected, receiver } = bed;

  it('waits as long as Retry-After asks, up to twice its own time', async () => {
    let now = Date.now();
    const { target, receive, settled, states } = await connected({
      clock: { ...systemClock(), now: () => now },
      policy: { retryDelaysMs: [600, 600], throttledDelayMs: 100, breakerFailures: 100, scanMs: 50 },
    });
    for (const [asked, waitMs] of [
      ['1', 1_000],
      ['3600', 1_200],
    ] as const) {
      target.answer(refuse(429, { 'retry-after': asked }));
      await receive([{}]);
      await expect.poll(states).toMatchObject({ retry: 1 });
      const waiting = await bed.db.database.knex('webhook_deliveries').where({ state: 'retry' }).first();
      expect(waiting).toMatchObject({ attempt: 1, due_at: now + waitMs });
      const count = target.requests.length;
      target.answer((_, response) => response.end());
      now += waitMs - 1;
      await new Promise((resolve) => setTimeout(resolve, 150));
      expect(target.requests).toHaveLength(count);
      now += 1;
      await settled();
      expect(target.requests).toHaveLength(count + 1);
    }
  });

  it.each([301, 307, 400, 404, 500])('takes status %i for a failure', async (status) => {
    const { target, receive, settled, states } = await connected({ policy: { retryDelaysMs: [10] } });
    target.answer(refuse(status, { location: 'http://127.0.0.1:1/' }));
    await receive([{}]);
    await settled();
    expect(target.requests).toHaveLength(2);
    expect(await states()).toEqual({ failed: 1 });
  });

  it('takes a 5 MB answer, of which it keeps 1 KiB', async () => {
    const { target, receive, settled, states } = await connected();
    target.answer((_, response) => response.end('x'.repeat(5 * 1024 * 1024)));
    await receive([{}]);
    await settled();
    expect(await states()).toEqual({ delivered: 1 });
    expect((await attempts())[0]?.response).toBe('x'.repeat(1024));
  });

  it('disables an endpoint that answers 410, until it is set again', async () => {
    const { target, receive, webhooks, accountId, settled } = await connected();
    target.answer(refuse(410));
    await receive([{ chat: 1, text: 'gone' }, { chat: 1, text: 'waits' }]); // prettier-ignore
    await expect
      .poll(() => webhooks.get(accountId, { dialect: 'plain' }))
      .toMatchObject({ enabled: false, disabledReason: 'The receiver answered 410 Gone' });
    target.answer((_, response) => response.end());
    expect(target.requests).toHaveLength(1);
    await webhooks.set(accountId, { url: target.url, dialect: 'plain' });
    await receive([{ chat: 1, text: 'new' }]);
    await settled();
    expect(target.requests.map(textOf)).toEqual(['gone', 'waits', 'new']);
  });

  it('does not take the 410 of an old address for the new one', async () => {
    const { target, receive, webhooks, accountId, settled } = await connected();
    const next = await receiver();
    let refuseLate = () => undefined as unknown;
    target.answer((_, response) => (refuseLate = () => response.writeHead(410).end()));
    await receive([{ text: 'one' }]);
    await target.received(1);
    await webhooks.set(accountId, { url: next.url, dialect: 'plain' });
    refuseLate();
    await settled();
    await receive([{ text: 'two' }]);
    await settled();
    expect(next.requests.map(textOf)).toEqual(['one', 'two']);
    expect(await webhooks.get(accountId, { dialect: 'plain' })).toMatchObject({ enabled: true });
  });

  it('leaves a receiver that is down alone, and delivers everything in order when it is back', async () => {
    const clock = createSettableClock();
    const { receive, webhooks, accountId, settled } = await build({
      clock,
      policy: { ...fastPolicy, breakerOpenMs: hourMs, breakerMaxOpenMs: hourMs, scanMs: 50 },
    });
    const port = Number(await freePort());
    await webhooks.set(accountId, { url: `http://127.0.0.1:${port}/hook`, dialect: 'plain' });
    for (let chat = 1; chat <= 10; chat += 1) await receive([{ chat, text: `${chat}a` }, { chat, text: `${chat}b` }]); // prettier-ignore
    await expect
      .poll(async () => (await webhooks.get(accountId, { dialect: 'plain' }))?.openUntil ?? 0)
      .toBeGreaterThan(clock.now());
    // Requests that were under way when the breaker opened still end; retries would come within 300 ms, and fail for good.
    let before = -1;
    await until('nothing is tried any more', async () => {
      const count = (await attempts()).length;
      if (count === before) return true;
      before = count;
      await clock.sleep(400);
      return false;
    });
    const back = await receiver(port);
    clock.jump(hourMs);
    await settled();
    for (let chat = 1; chat <= 10; chat += 1)
      expect(back.requests.filter((request) => parseInt(textOf(request)) === chat).map(textOf)).toEqual([
        `${chat}a`,
        `${chat}b`,
      ]);
    await expect
      .poll(() => webhooks.get(accountId, { dialect: 'plain' }))
      .toMatchObject({ failStreak: 0, openUntil: null });
  });

  it('keeps the breaker over a restart', async () => {
    const policy = { retryDelaysMs: [10, 10, 10, 10, 10, 10], breakerOpenMs: 600_000, breakerMaxOpenMs: 3_600_000 };
    const first = await connected({ policy });
    first.target.answer(refuse(500));
    await first.receive([{}]);
    await expect
      .poll(async () => (await first.webhooks.get(first.accountId, { dialect: 'plain' }))?.openUntil ?? 0)
      .toBeGreaterThan(Date.now() + 500_000);
    await first.stop();
    const count = first.target.requests.length;
    const second = await build({ policy });
    await second.receive([{}]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(first.target.requests.length).toBe(count);
    // Setting the endpoint again is the way to say that the receiver is repaired.
    first.target.answer((_, response) => response.end());
    await second.webhooks.set(second.accountId, { url: first.target.url, dialect: 'plain' });
    await second.settled();
  });

  it('does not delay others when receivers hang', async () => {
    const { target, receive, webhooks, accountId } = await connected({ timeoutMs: 600_000 });
    let givenUp = 0;
    const hanging: Receiver[] = [];
    for (let index = 0; index < 12; index += 1) {
      const made = await receiver();
      made.answer((_, response) => void response.once('close', () => (givenUp += 1)));
      hanging.push(made);
      await bed.db.database.knex('webhook_endpoints').insert({
        ...((await bed.db.database.knex('webhook_endpoints').where({ url: target.url }).first()) as object),
        id: `HANGING${index}`,
        url: made.url,
      });
    }
    await webhooks.set(accountId, { url: target.url, dialect: 'plain' });
    await receive(Array.from({ length: 30 }, (_, chat) => ({ chat, text: 'x' })));
    await Promise.all(hanging.map((one) => one.received(1)));
    await target.received(30);
    await receive([{ chat: 99, text: 'late' }]);
    await target.received(31);
    expect(givenUp).toBe(0);
  });

  it('tries a connection that breaks at once a second time at once', async () => {
    const { target, receive, settled } = await connected({ policy: { retryDelaysMs: [60_000] } });
    target.answer((_, response) => (target.requests.length === 1 ? response.destroy() : response.end('ok')));
    await receive([{}]);
    await settled();
    expect(await attempts()).toMatchObject([{ attempt: 1, status: 200 }, { attempt: 1, status: null, error: 'The connection failed' }]); // prettier-ignore
  });
});
