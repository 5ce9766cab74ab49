import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import type { WebhookDeps } from '../../src/core/webhooks.ts';
import { systemClock } from '../../src/model/time.ts';
import { createWebhookHistory } from '../../src/store/webhook-history.ts';
import { createSettableClock, until } from '../support/clock.ts';
import { forEachDatabaseAndRepeated } from '../support/database.ts';
import { freePort } from '../support/process.ts';
import type { ReceivedRequest, Receiver } from '../support/receiver.ts';
import { useWebhookBed } from '../support/webhook-bed.ts';
import { buildWebhooks, fastPolicy, type WebhookBench } from '../support/webhooks.ts';

const hourMs = 3_600_000;

forEachDatabaseAndRepeated((open) => {
  const bed = useWebhookBed(open);
  const { build, closers, receiver } = bed;

  /** Webhooks with one endpoint, and its receiver. */
  async function connected(
    patch: Partial<WebhookDeps> = {},
    input: { secret?: string } = {},
  ): Promise<WebhookBench & { target: Receiver }> {
    const bench = await build(patch);
    const target = await receiver();
    await bench.webhooks.set(bench.accountId, { url: target.url, dialect: 'plain', ...input });
    return { ...bench, target };
  }

  const attemptsOf = async () => {
    const [endpoint] = (await bed.db.database.knex('webhook_endpoints').select('id')) as { id: string }[];
    return createWebhookHistory(bed.db.database).attempts({ endpointIds: [endpoint?.id ?? ''], limit: 1000 });
  };
  const textOf = (request: ReceivedRequest) => (JSON.parse(request.body) as { text: string }).text;
  const chatOf = (request: ReceivedRequest) => (JSON.parse(request.body) as { chat: string }).chat;
  const refuse =
    (status: number, headers: Record<string, string> = {}) =>
    (
      _: unknown,
      response: { writeHead(status: number, headers: Record<string, string>): { end(text: string): void } },
    ) =>
      response.writeHead(status, headers).end('no');

  it('delivers an event with its facts, once', async () => {
    const { target, receive, settled, accountId, instanceId } = await connected();
    await receive([{ chat: 7, text: 'Sawa' }]);
    const [request] = await target.received(1);
    await settled();
    expect(JSON.parse(request?.body ?? '')).toEqual({
      type: 'message.received',
      customer: accountId,
      instance: instanceId,
      chat: '255700000007@c.us',
      text: 'Sawa',
    });
    expect(request?.headers).toMatchObject({
      'content-type': 'application/json',
      'user-agent': 'WapBridge-Gateway/0.0.0',
    });
    expect(target.requests).toHaveLength(1);
    expect(await attemptsOf()).toMatchObject([{ attempt: 1, status: 200, error: null, response: 'ok' }]);
  });

  it('signs by Standard Webhooks beside the dialect’s own headers', async () => {
    const key = Buffer.from('0123456789abcdef0123456789abcdef');
    const { target, receive, webhooks, accountId } = await connected({}, { secret: `whsec_${key.toString('base64')}` });
    await receive([{ text: 'ünïcode' }]);
    const [first] = await target.received(1);
    await webhooks.set(accountId, { url: target.url, dialect: 'plain', secret: null });
    await webhooks.set(accountId, { url: target.url, dialect: 'plain', secret: 'plain secret' });
    await receive([{}]);
    const [, second] = await target.received(2);
    for (const [request, secret] of [
      [first, key],
      [second, Buffer.from('plain secret')],
    ] as const) {
      const headers = request?.headers ?? {};
      const signed = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${request?.body ?? ''}`;
      expect(headers['webhook-id']).toMatch(/^msg_[0-9A-Z]{26}$/);
      expect(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000)).toBeLessThan(5);
      expect(headers['webhook-signature']).toBe(`v1,${createHmac('sha256', secret).update(signed).digest('base64')}`);
    }
    expect(second?.headers['x-plain-secret']).toBe('plain secret');
  });

  it('keeps the secret encrypted and does not show it', async () => {
    const { webhooks, accountId, target } = await connected({}, { secret: 'very secret' });
    const row = (await bed.db.database.knex('webhook_endpoints').first('secret')) as { secret: string };
    expect(row.secret).not.toContain('very');
    expect(await webhooks.get(accountId, { dialect: 'plain' })).toMatchObject({
      url: target.url,
      hasSecret: true,
      enabled: true,
      events: ['message.received'],
    });
    expect(JSON.stringify(await webhooks.get(accountId, { dialect: 'plain' }))).not.toContain('secret key');
    await webhooks.set(accountId, { url: target.url, dialect: 'plain' });
    expect(await webhooks.get(accountId, { dialect: 'plain' })).toMatchObject({ hasSecret: true });
    await webhooks.set(accountId, { url: target.url, dialect: 'plain', secret: null });
    expect(await webhooks.get(accountId, { dialect: 'plain' })).toMatchObject({ hasSecret: false });
  });

  it('refuses an address that is private, malformed, or a secret that no header can carry', async () => {
    const { webhooks, accountId } = await build();
    for (const url of ['http://10.0.0.1/', 'http://169.254.169.254/', 'http://[::1]/']) {
      await expect(webhooks.set(accountId, { url, dialect: 'plain' })).rejects.toMatchObject({
        code: 'blocked_address',
      });
    }
    await expect(webhooks.set(accountId, { url: 'nonsense', dialect: 'plain' })).rejects.toMatchObject({
      code: 'invalid_input',
    });
    await expect(
      webhooks.set(accountId, { url: 'http://127.0.0.1:9999/', dialect: 'plain', secret: 'a\nb' }),
    ).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(
      webhooks.set(accountId, {
        url: 'http://127.0.0.1:9999/',
        dialect: 'plain',
        events: ['nonsense' as 'message.received'],
      }),
    ).rejects.toMatchObject({ code: 'invalid_input' });
    expect(await webhooks.get(accountId, { dialect: 'plain' })).toBeNull();
  });

  it('writes nothing when the transaction is rolled back', async () => {
    const { webhooks, accountId, instanceId, target, states } = await connected();
    const event = {
      accountId,
      instanceId,
      type: 'message.received' as const,
      payload: { messageId: 'none' },
      orderKey: 'a',
    };
    await expect(
      bed.db.database.transaction(async (trx) => {
        await webhooks.enqueue(trx, [event]);
        throw new Error('changed my mind');
      }),
    ).rejects.toThrow('changed my mind');
    expect(await states()).toEqual({});
    expect(target.requests).toEqual([]);
  });

  it('tells each endpoint what it wants: its account, its instance, its events, and one receiver once', async () => {
    const { webhooks, accountId, instanceId, receive, settled, states, target } = await connected();
    const [own, other] = [await receiver(), await receiver()];
    await webhooks.set(accountId, { url: own.url, dialect: 'plain', instanceId });
    await webhooks.set(accountId, {
      url: other.url,
      dialect: 'plain',
      instanceId: 'INST-99-0000009',
      events: ['message.received', 'message.status'],
    });
    await receive([{}]);
    await settled();
    expect([target.requests.length, own.requests.length, other.requests.length]).toEqual([1, 1, 0]);
    await webhooks.set(accountId, { url: target.url, dialect: 'plain', instanceId });
    await receive([{}]);
    await settled();
    expect([target.requests.length, own.requests.length]).toEqual([2, 1]);
    await webhooks.set(accountId, { url: null, dialect: 'plain', instanceId });
    await webhooks.set(accountId, { url: target.url, dialect: 'plain', events: ['instance.status'] });
    await receive([{}]);
    expect(await states()).toEqual({ delivered: 1 });
    expect(await webhooks.get(accountId, { dialect: 'plain', instanceId })).toBeNull();
  });

  it('keeps the order of each chat and never has two requests of one chat under way', async () => {
    const { target, receive, settled } = await connected();
    const open = new Set<string>();
    let most = 0;
    target.answer((request, response) => {
      const chat = chatOf(request);
      if (open.has(chat)) response.statusCode = 599;
      open.add(chat);
      most = Math.max(most, open.size);
      setTimeout(() => {
        open.delete(chat);
        response.end();
      }, Math.random() * 4);
    });
    const messages = Array.from({ length: 400 }, (_, index) => ({
      chat: index % 11 === 0 ? 1 : 1 + (index % 9),
      text: String(index),
    }));
    for (let at = 0; at < messages.length; at += 50) await receive(messages.slice(at, at + 50));
    await settled();
    expect(target.requests).toHaveLength(400);
    for (const chat of new Set(target.requests.map(chatOf))) {
      const seen = target.requests
        .filter((request) => chatOf(request) === chat)
        .map((request) => Number(textOf(request)));
      expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    }
    expect(most).toBeGreaterThan(2);
    expect(most).toBeLessThanOrEqual(8);
    expect((await attemptsOf()).every(({ status }) => status === 200)).toBe(true);
  });

  it('lets other chats pass a chat with a long backlog', async () => {
    const { target, receive, settled } = await connected();
    let answerFirst = () => undefined as unknown;
    target.answer((_, response) =>
      target.requests.length === 1 ? (answerFirst = () => response.end()) : response.end(),
    );
    await receive(Array.from({ length: 300 }, () => ({ chat: 1, text: 'busy' })));
    await receive([{ chat: 2, text: 'other' }]);
    const [, second] = await target.received(2);
    expect(textOf(second!)).toBe('other');
    answerFirst();
    await settled();
    expect(target.requests).toHaveLength(301);
  });

  it('retries until it arrives, holding the chat behind, with the same id', async () => {
    const { target, receive, settled } = await connected();
    let refusals = 2;
    target.answer((request, response) => {
      response.statusCode = chatOf(request).includes('0001@') && refusals-- > 0 ? 500 : 200;
      response.end();
    });
    await receive([{ chat: 1, text: 'a1' }, { chat: 1, text: 'a2' }, { chat: 2, text: 'b1' }, { chat: 1, text: 'a3' }]); // prettier-ignore
    await settled();
    const ofFirst = target.requests.filter((request) => chatOf(request).includes('0001@'));
    expect(ofFirst.map(textOf)).toEqual(['a1', 'a1', 'a1', 'a2', 'a3']);
    expect(new Set(ofFirst.slice(0, 3).map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(target.requests.findIndex((request) => textOf(request) === 'b1')).toBeLessThan(3);
    const attempts = (await attemptsOf()).toReversed();
    expect(attempts.filter(({ status }) => status === 500).map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(attempts.at(-1)).toMatchObject({ status: 200 });
  });

  it('lets a chat pass a delivery that failed three times, and gives up after the last try', async () => {
    const clock = createSettableClock();
    const { target, receive, settled, states } = await connected({
      clock,
      policy: { retryDelaysMs: [20, 20, hourMs, 20], breakerFailures: 100, throttledDelayMs: 20, scanMs: 50 },
    });
    target.answer((request, response) => response.writeHead(textOf(request) === 'poison' ? 422 : 200).end());
    await receive([{ text: 'poison' }, { text: 'after' }]);
    await expect.poll(states).toEqual({ delivered: 1, retry: 1 });
    expect(target.requests.map(textOf)).toEqual(['poison', 'poison', 'poison', 'after']);
    clock.jump(2 * hourMs);
    await settled();
    expect(target.requests.map(textOf)).toEqual(['poison', 'poison', 'poison', 'after', 'poison', 'poison']);
    expect(await states()).toEqual({ delivered: 1, failed: 1 });
  });

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
    expect((await attemptsOf())[0]?.response).toBe('x'.repeat(1024));
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
      const count = (await attemptsOf()).length;
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
    expect(await attemptsOf()).toMatchObject([{ attempt: 1, status: 200 }, { attempt: 1, status: null, error: 'The connection failed' }]); // prettier-ignore
  });

  it('delivers again, with the same id, what was under way when the process was killed', async () => {
    const target = await receiver();
    const dead = await buildWebhooks(bed.db.database, bed.dataDir, { timeoutMs: 60_000 });
    dead.webhooks.start();
    closers.push(() => dead.outbound.close());
    await dead.webhooks.set(dead.accountId, { url: target.url, dialect: 'plain' });
    target.answer(() => undefined);
    await dead.receive([{ text: 'once' }]);
    const [first] = await target.received(1);
    // Nothing is told to stop: a killed process does not get to write.
    target.answer((_, response) => response.end());
    const bench = await build();
    const [, second] = await target.received(2);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.body).toBe(first?.body);
    await bench.settled();
  });

  it('finishes what is under way when it stops, and leaves the rest for the next start', async () => {
    const { target, receive, webhooks, states } = await connected();
    target.answer((_, response) => setTimeout(() => response.end(), 100));
    await receive(Array.from({ length: 20 }, (_, chat) => ({ chat })));
    await target.received(8);
    await webhooks.stop();
    const { delivered = 0, pending = 0 } = await states();
    expect(delivered).toBe(target.requests.length);
    expect(delivered + pending).toBe(20);
    const next = await build();
    await next.settled();
    expect(target.requests).toHaveLength(20);
  });

  it('sends a file inline, as a signed link above the limit, and null when it is gone', async () => {
    const { target, receive, media, accountId, settled } = await connected();
    const [small, large] = [
      await media.saveBytes({ accountId, bytes: Buffer.from('small') }),
      await media.saveBytes({ accountId, bytes: Buffer.alloc(2000, 'x') }),
    ];
    for (const ref of [small, large, { ...small, mediaId: 'GONE' }])
      await receive([{ content: { type: 'document', media: ref } }]);
    await settled();
    const [first, second, third] = target.requests.map(
      (request) => (JSON.parse(request.body) as { media: unknown }).media,
    );
    expect(first).toEqual({ base64: Buffer.from('small').toString('base64') });
    expect((second as { url: string }).url).toMatch(
      new RegExp(`^http://gateway.test/media/${large.mediaId}\\?expires=\\d+&signature=`),
    );
    expect(third).toBeNull();
  });

  it('gives up at once on an event that cannot be worded, and goes on', async () => {
    const { target, receive, settled, states } = await connected({
      dialects: () => ({
        plain: {
          headers: () => ({}),
          render: {
            'message.received': (_, { message }) => {
              if (message?.content.type === 'other') throw new Error('cannot be worded');
              return { text: 'fine' };
            },
          },
        },
      }),
    });
    await receive([{ content: { type: 'other', kind: 'strange' } }, { text: 'fine' }]);
    await settled();
    expect(await states()).toEqual({ delivered: 1, failed: 1 });
    expect(target.requests).toHaveLength(1);
    expect((await attemptsOf()).find(({ status }) => status === null)).toMatchObject({
      error: 'The body could not be made',
    });
  });

  it('goes on after the database did not answer for a while, losing nothing', async () => {
    const { target, receive, settled } = await connected();
    let failures = 3;
    const original = bed.db.database.transaction.bind(bed.db.database);
    target.answer((_, response) => {
      // The answer has been given; writing it down fails.
      Object.assign(bed.db.database, {
        transaction: (work: never) => (failures-- > 0 ? Promise.reject(new Error('database is away')) : original(work)),
      });
      response.end();
    });
    try {
      await receive([{ text: '1' }, { text: '2' }, { text: '3' }]);
      await settled();
    } finally {
      Object.assign(bed.db.database, { transaction: original });
    }
    expect(target.requests.map(textOf)).toEqual(['1', '2', '3']);
  });

  it('works through a backlog many times larger than what it holds', async () => {
    const { target, receive, settled, webhooks, accountId } = await connected();
    target.answer((_, response) => response.end());
    const chats = Array.from({ length: 1500 }, (_, index) => ({ chat: index % 40, text: String(index) }));
    await webhooks.set(accountId, { url: target.url, dialect: 'plain' });
    await receive(chats);
    await settled();
    expect(target.requests).toHaveLength(1500);
    expect(new Set(target.requests.map(textOf)).size).toBe(1500);
  });
});
