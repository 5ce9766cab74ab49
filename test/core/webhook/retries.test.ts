import { expect, it } from 'vitest';
import { defaultPolicy } from '../../../src/core/webhook/schedule.ts';
import { forEachDatabaseAndRepeated } from '../../support/database.ts';
import type { Receiver } from '../../support/receiver.ts';
import { useWebhookBed } from '../../support/webhook-bed.ts';
import type { WebhookBench } from '../../support/webhooks.ts';

const second = 1000;
const hour = 3_600_000;

forEachDatabaseAndRepeated((open) => {
  const bed = useWebhookBed(open);

  /** Webhooks by the real policy, whose clock stands still, with an endpoint that takes nothing. */
  async function failing(retrySeconds: number[] | null) {
    let at = Date.now();
    const clock = { now: () => at, sleep: () => new Promise<void>((resolve) => setTimeout(resolve, 1)) };
    const policy = { ...defaultPolicy, breakerFailures: 1000, scanMs: 50 };
    const build = () => bed.build({ clock, policy });
    const bench = await build();
    const owner = { accountId: bench.accountId, boundTo: null };
    const target = await bed.receiver();
    target.answer((_, response) => response.writeHead(500).end());
    const endpoint = await bench.webhooks.create(owner, { url: target.url, dialect: 'plain', retrySeconds });
    return { bench, build, owner, target, endpoint, now: () => at, pass: (ms: number) => void (at += ms) };
  }

  /** Returns the only delivery after so many tries: its state, and how far off the next one is. */
  async function after(
    tries: number,
    {
      bench,
      owner,
      target,
      now,
    }: { bench: WebhookBench; target: Receiver } & Pick<Awaited<ReturnType<typeof failing>>, 'owner' | 'now'>,
  ) {
    await target.received(tries);
    const only = async () => (await bench.webhooks.deliveries(owner, { limit: 1 }))[0]!;
    await expect.poll(async () => (await only()).attempt).toBe(tries);
    const { state, dueAt } = await only();
    return state === 'retry' ? (dueAt - now()) / second : state;
  }

  it('follow the schedule of the endpoint, which ends with its last wait', async () => {
    const all = await failing([100, 9000]);
    await all.bench.receive([{}]);
    expect(await after(1, all)).toBe(100);
    all.pass(100 * second);
    expect(await after(2, all)).toBe(9000);
    all.pass(9000 * second);
    expect(await after(3, all)).toBe('failed');
    expect(all.target.requests).toHaveLength(3);
  });

  it('are none with an empty schedule', async () => {
    const all = await failing([]);
    await all.bench.receive([{}]);
    expect(await after(1, all)).toBe('failed');
  });

  it('follow a schedule that was changed meanwhile from the next failure on', async () => {
    const all = await failing(null);
    const change = (retrySeconds: number[] | null) =>
      all.bench.webhooks.update(all.owner, all.endpoint.id, { retrySeconds });
    await all.bench.receive([{}]);
    expect(await after(1, all)).toBe(5);
    await change([10, 20, 30, 40]);
    all.pass(5 * second);
    expect(await after(2, all)).toBe(20);
    await change(null);
    all.pass(20 * second);
    expect(await after(3, all)).toBe(1800);
    await change([1, 1]);
    all.pass(1800 * second);
    expect(await after(4, all)).toBe('failed');
  });

  it('wait their day out also past a start of the gateway', async () => {
    const all = await failing([86_400]);
    await all.bench.receive([{ chat: 1 }]);
    expect(await after(1, all)).toBe(86_400);
    await all.bench.stop();
    // What is found at the start goes out after what waits for too long was looked for.
    await all.bench.receive([{ chat: 2 }]);
    const bench = await all.build();
    await all.target.received(2);
    await expect.poll(() => bench.states()).toEqual({ retry: 2 });
    const deliveries = await bench.webhooks.deliveries(all.owner, { limit: 2 });
    expect(deliveries.map(({ attempt, dueAt }) => [attempt, dueAt - all.now()])).toEqual([[1, 24 * hour], [1, 24 * hour]]); // prettier-ignore
  });

  it('that are none give the endpoint up no sooner than the usual ones', async () => {
    const { bench, owner, pass } = await failing([]);
    const state = async () => {
      const [{ enabled, exhausted } = { enabled: null, exhausted: null }] = await bench.webhooks.list(owner);
      return { enabled, exhausted };
    };
    await bench.receive(Array.from({ length: 12 }, (_, chat) => ({ chat })));
    await bench.settled();
    expect(await state()).toEqual({ enabled: true, exhausted: 12 });
    pass(119 * hour);
    await bench.receive([{}]);
    await bench.settled();
    expect(await state()).toEqual({ enabled: true, exhausted: 13 });
    pass(hour);
    await bench.receive([{}]);
    await bench.settled();
    expect(await state()).toMatchObject({ enabled: false });
  });

  it('may not take longer than deliveries are kept', async () => {
    const { bench, owner, endpoint } = await failing(null);
    const day = 86_400;
    const change = (days: number) =>
      bench.webhooks.update(owner, endpoint.id, { retrySeconds: Array.from({ length: days }, () => day) });
    expect(await change(14)).toMatchObject({ retrySeconds: { length: 14 } });
    await expect(change(15)).rejects.toMatchObject({
      code: 'invalid_input',
      details: { retry_seconds: 'more than 14 days in all' },
    });
  });
});
