import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { signWebhook } from '../../../src/core/webhook/request.ts';
import type { NewEndpoint } from '../../../src/core/webhook/endpoints.ts';
import type { WebhookDeps } from '../../../src/core/webhooks.ts';
import { createOutbound } from '../../../src/outbound.ts';
import { createSettableClock } from '../../support/clock.ts';
import { forEachDatabaseAndRepeated } from '../../support/database.ts';
import type { ReceivedRequest } from '../../support/receiver.ts';
import { textOf, useWebhookBed } from '../../support/webhook-bed.ts';
import { fastPolicy } from '../../support/webhooks.ts';

forEachDatabaseAndRepeated((open) => {
  const bed = useWebhookBed(open);
  const { closers, receiver } = bed;

  async function build(patch: Partial<WebhookDeps> = {}) {
    const bench = await bed.build(patch);
    return { ...bench, owner: { accountId: bench.accountId, boundTo: null } };
  }

  /** Webhooks with one endpoint made by `create`, and its receiver. */
  async function connected(input: Partial<NewEndpoint> = {}, patch: Partial<WebhookDeps> = {}) {
    const bench = await build(patch);
    const target = await receiver();
    const endpoint = await bench.webhooks.create(bench.owner, { url: target.url, dialect: 'plain', ...input });
    return { ...bench, target, endpoint };
  }

  const signaturesOf = (request: ReceivedRequest | undefined) =>
    String(request?.headers['webhook-signature'] ?? '').split(' ');
  const expected = (request: ReceivedRequest | undefined, secret: string) =>
    signWebhook({
      secret,
      id: String(request?.headers['webhook-id']),
      timestamp: String(request?.headers['webhook-timestamp']),
      body: request?.body ?? '',
    });

  it('keeps several endpoints beside the default one, each with its own events', async () => {
    const { webhooks, owner, accountId, instanceId, receive, settled } = await build();
    const [first, second, third] = [await receiver(), await receiver(), await receiver()];
    await webhooks.set(accountId, { url: first.url, dialect: 'plain' });
    const made = await webhooks.create(owner, { url: second.url, dialect: 'plain', title: 'Desk', instanceId });
    await webhooks.create(owner, { url: third.url, dialect: 'plain', events: ['instance.status'] });
    await receive([{}]);
    await settled();
    expect([first, second, third].map(({ requests }) => requests.length)).toEqual([1, 1, 0]);
    expect((await webhooks.list(owner)).map(({ isDefault, title }) => [isDefault, title])).toEqual([[true, null], [false, 'Desk'], [false, null]]); // prettier-ignore
    expect((await webhooks.list({ accountId, boundTo: instanceId })).map(({ id }) => id)).toEqual([made.id]);

    await webhooks.update(owner, made.id, { enabled: false });
    await receive([{}]);
    await settled();
    expect([first, second].map(({ requests }) => requests.length)).toEqual([2, 1]);
    await webhooks.remove(owner, made.id);
    expect(await webhooks.list(owner)).toHaveLength(2);
    expect(await webhooks.get(accountId, { dialect: 'plain' })).toMatchObject({ url: first.url, enabled: true });
  });

  it('shows and changes the endpoints of others to nobody', async () => {
    const { webhooks, endpoint, accountId } = await connected();
    for (const owner of [
      { accountId: 'CUST-9999', boundTo: null },
      { accountId, boundTo: 'INST-99-0000009' },
    ]) {
      expect(await webhooks.list(owner)).toEqual([]);
      expect(await webhooks.deliveries(owner, { limit: 10 })).toEqual([]);
      await expect(webhooks.update(owner, endpoint.id, { enabled: false })).rejects.toMatchObject({
        code: 'not_found',
      });
      await expect(webhooks.remove(owner, endpoint.id)).rejects.toMatchObject({ code: 'not_found' });
      await expect(webhooks.test(owner, endpoint.id)).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  it('signs with the old secret too for a while after a change, and not when it is revoked', async () => {
    const { webhooks, owner, endpoint, target, receive } = await connected({ secret: 'secret-a' });
    await webhooks.update(owner, endpoint.id, { secret: 'secret-b' });
    await receive([{}]);
    const [both] = await target.received(1);
    expect(signaturesOf(both)).toEqual([expected(both, 'secret-b'), expected(both, 'secret-a')]);
    expect(both?.headers['x-plain-secret']).toBe('secret-b');
    await webhooks.update(owner, endpoint.id, { secret: 'secret-b' });
    await receive([{}]);
    const [, same] = await target.received(2);
    expect(signaturesOf(same)).toEqual([expected(same, 'secret-b'), expected(same, 'secret-a')]);
    await webhooks.update(owner, endpoint.id, { secret: 'secret-c', overlapMs: 0 });
    await receive([{}]);
    const [, , alone] = await target.received(3);
    expect(signaturesOf(alone)).toEqual([expected(alone, 'secret-c')]);
    expect(JSON.stringify(await bed.db.database.knex('webhook_endpoints'))).not.toMatch(/secret-[abc]/);
  });

  it('signs with at most three old secrets, each until its own time is over', async () => {
    const clock = createSettableClock();
    const hour = 3_600_000;
    const { webhooks, owner, endpoint, target, receive } = await connected({ secret: 'secret-0' }, { clock });
    for (const number of [1, 2, 3, 4]) {
      await webhooks.update(owner, endpoint.id, { secret: `secret-${number}`, overlapMs: 24 * hour });
      clock.jump(hour);
    }
    const signers = async (count: number) => {
      await receive([{ chat: count }]);
      const request = (await target.received(count))[count - 1];
      const all = ['secret-4', 'secret-3', 'secret-2', 'secret-1', 'secret-0'];
      return signaturesOf(request).map((signature) => all.find((secret) => expected(request, secret) === signature));
    };
    expect(await signers(1)).toEqual(['secret-4', 'secret-3', 'secret-2', 'secret-1']);
    // A day after the first of those three was replaced.
    clock.jump(21 * hour + 60_000);
    expect(await signers(2)).toEqual(['secret-4', 'secret-3', 'secret-2']);
    clock.jump(3 * hour);
    expect(await signers(3)).toEqual(['secret-4']);
  });

  it('sends extra headers, keeps their values encrypted, and refuses those that are its own', async () => {
    const { webhooks, owner, endpoint, target, receive } = await connected({ headers: { Authorization: 'token a:b' } });
    expect(endpoint.headerNames).toEqual(['authorization']);
    expect(JSON.stringify([endpoint, await bed.db.database.knex('webhook_endpoints')])).not.toContain('token a:b');
    await receive([{}]);
    const [request] = await target.received(1);
    expect(request?.headers.authorization).toBe('token a:b');
    for (const headers of [{ 'webhook-id': 'x' }, { 'Content-Length': '3' }, { host: 'a' }, { 'x-a': 'b\r\nc: d' }])
      await expect(webhooks.update(owner, endpoint.id, { headers })).rejects.toMatchObject({ code: 'invalid_input' });
    expect((await webhooks.update(owner, endpoint.id, { headers: {} })).headerNames).toEqual([]);
  });

  it('sends to an ordered endpoint one at a time in the order of events, also past a failure', async () => {
    const { target, receive, settled } = await connected({ isOrdered: true });
    let open = 0;
    let most = 0;
    let refusals = 2;
    target.answer((request, response) => {
      most = Math.max(most, ++open);
      response.statusCode = textOf(request) === '7' && refusals-- > 0 ? 500 : 200;
      setTimeout(() => {
        open -= 1;
        response.end();
      }, 1);
    });
    await receive(Array.from({ length: 150 }, (_, index) => ({ chat: index % 13, text: String(index) })));
    await settled();
    const texts = target.requests.map((request) => Number(textOf(request)));
    expect(texts.filter((text) => text === 7)).toHaveLength(3);
    expect(texts).toEqual(texts.toSorted((a, b) => a - b));
    expect(most).toBe(1);
  });

  it('gives up an endpoint after long failure, and tells the others', async () => {
    const { webhooks, owner, endpoint, target, receive } = await connected(
      {},
      {
        policy: {
          ...fastPolicy,
          retryDelaysMs: [5],
          throttledDelayMs: 5,
          breakerOpenMs: 5,
          breakerMaxOpenMs: 5,
          disableAfterMs: 100,
          disableExhausted: 4,
        },
      },
    );
    const watcher = await receiver();
    await webhooks.create(owner, { url: watcher.url, dialect: 'plain', events: ['webhook.disabled'] });
    target.answer((_, response) => response.writeHead(500).end());
    for (let chat = 0; chat < 40; chat += 1) {
      await receive([{ chat }]);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const [told] = await watcher.received(1);
    expect(JSON.parse(told?.body ?? '')).toMatchObject({ type: 'webhook.disabled', endpoint: endpoint.id });
    const [row] = await webhooks.list(owner);
    expect(row).toMatchObject({ enabled: false, failStreak: 0 });
    expect(row?.disabledReason).toMatch(/^Nothing was taken since 20.*: \d+ deliveries failed for good$/);
    expect(watcher.requests).toHaveLength(1);
  });

  it('tells at once when an endpoint answers 410', async () => {
    const { webhooks, owner, target, receive } = await connected();
    const watcher = await receiver();
    await webhooks.create(owner, { url: watcher.url, dialect: 'plain', events: ['webhook.disabled'] });
    target.answer((_, response) => response.writeHead(410).end());
    await receive([{ chat: 1 }, { chat: 2 }]);
    const [told] = await watcher.received(1);
    expect(JSON.parse(told?.body ?? '')).toMatchObject({ reason: 'The receiver answered 410 Gone' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(watcher.requests).toHaveLength(1);
  });

  it('sends a file as a signed link when the body would grow too large', async () => {
    const { target, receive, media, accountId, settled } = await connected(
      {},
      { inlineMaxBytes: 1024 * 1024, bodyMaxBytes: 128 * 1024 },
    );
    const small = await media.saveBytes({ accountId, bytes: Buffer.alloc(50_000, 'a') });
    const large = await media.saveBytes({ accountId, bytes: Buffer.alloc(120_000, 'b') });
    for (const ref of [small, large]) await receive([{ content: { type: 'document', media: ref } }]);
    await settled();
    const [first, second] = target.requests.map((request) => (JSON.parse(request.body) as { media: object }).media);
    expect(first).toHaveProperty('base64');
    expect(second).toHaveProperty('url');
  });

  it('lists deliveries and attempts, newest first, by state, delivery and page', async () => {
    const { webhooks, owner, endpoint, target, receive, settled } = await connected({}, { policy: { retryDelaysMs: [10], breakerFailures: 100 } }); // prettier-ignore
    target.answer((request, response) => response.writeHead(textOf(request) === 'bad' ? 422 : 200).end('said'));
    await receive(['a', 'b', 'bad', 'c'].map((text, chat) => ({ chat, text })));
    await settled();
    const all = await webhooks.deliveries(owner, { limit: 10 });
    expect(all.map(({ state, event }) => [state, event])).toEqual(
      ['delivered', 'failed', 'delivered', 'delivered'].map((state) => [state, 'message.received']),
    );
    const [failed] = await webhooks.deliveries(owner, { states: ['failed'], endpointId: endpoint.id, limit: 10 });
    expect(failed).toMatchObject({ id: all[1]?.id, attempt: 2 });
    expect((await webhooks.deliveries(owner, { before: all[1]!.id, limit: 1 })).map(({ id }) => id)).toEqual([all[2]?.id]); // prettier-ignore
    expect(await webhooks.deliveries(owner, { sinceAt: Date.now() + 1000, limit: 10 })).toEqual([]);
    const attempts = await webhooks.attempts(owner, { deliveryId: failed!.id, limit: 10 });
    expect(attempts.map(({ attempt, status }) => [attempt, status])).toEqual([[2, 422], [1, 422]]); // prettier-ignore
    expect(await webhooks.attempts(owner, { failed: true, limit: 10 })).toHaveLength(2);
    expect(await webhooks.attempts(owner, { limit: 10 })).toHaveLength(5);
    await expect(webhooks.deliveries(owner, { endpointId: 'NONE', limit: 1 })).rejects.toMatchObject({ code: 'not_found' }); // prettier-ignore
  });

  it('sends one delivery again with its id, and what failed, was missed, or everything since a time', async () => {
    const { webhooks, owner, endpoint, target, receive, settled } = await connected({}, { policy: { retryDelaysMs: [], breakerFailures: 100 } }); // prettier-ignore
    const sinceAt = Date.now();
    target.answer((request, response) => response.writeHead(textOf(request).startsWith('bad') ? 422 : 200).end());
    await receive(['good', 'bad1', 'bad2'].map((text) => ({ text })));
    await settled();
    target.answer((_, response) => response.end());
    const sentAgain = async () => {
      await settled();
      return target.requests.splice(0).map(textOf);
    };
    const firstIds = new Map(target.requests.map((request) => [textOf(request), request.headers['webhook-id']]));
    await sentAgain();

    const [bad1] = (await webhooks.deliveries(owner, { states: ['failed'], limit: 10 })).toReversed();
    expect(await webhooks.resend(owner, bad1!.id)).toMatchObject({ state: 'pending' });
    await target.received(1);
    expect(target.requests[0]?.headers['webhook-id']).toBe(firstIds.get('bad1'));
    expect(await sentAgain()).toEqual(['bad1']);

    expect(await webhooks.replay(owner, { endpointId: endpoint.id, sinceAt, mode: 'failed' })).toEqual({ count: 1, more: false }); // prettier-ignore
    expect(await sentAgain()).toEqual(['bad2']);

    await webhooks.update(owner, endpoint.id, { enabled: false });
    await receive([{ text: 'missed1' }, { text: 'missed2' }]);
    await expect(webhooks.replay(owner, { endpointId: endpoint.id, sinceAt, mode: 'all' })).rejects.toMatchObject({
      code: 'conflict',
    });
    await expect(webhooks.resend(owner, bad1!.id)).rejects.toMatchObject({ code: 'conflict' });
    await webhooks.update(owner, endpoint.id, { enabled: true });
    expect(await webhooks.replay(owner, { endpointId: endpoint.id, sinceAt, mode: 'missing' })).toMatchObject({ count: 2 }); // prettier-ignore
    expect(await sentAgain()).toEqual(['missed1', 'missed2']);

    expect(await webhooks.replay(owner, { endpointId: endpoint.id, sinceAt, mode: 'all' })).toMatchObject({ count: 5 });
    expect(await sentAgain()).toEqual(['good', 'bad1', 'bad2', 'missed1', 'missed2']);
    await expect(webhooks.resend(owner, 'NONE')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('removes what is older than the retention, and nothing else', async () => {
    const { webhooks, receive, settled } = await connected();
    await receive([{ text: 'new' }]);
    await settled();
    const { knex } = bed.db.database;
    const [event] = (await knex('events')) as { id: string }[];
    const [delivery] = (await knex('webhook_deliveries')) as { id: string }[];
    const [attempt] = (await knex('webhook_attempts')) as { id: string }[];
    const old = Array.from({ length: 2100 }, (_, index) => `01A${String(index).padStart(23, '0')}`);
    for (let at = 0; at < old.length; at += 100) {
      const ids = old.slice(at, at + 100);
      await knex('events').insert(ids.map((id) => ({ ...event, id })));
      await knex('webhook_deliveries').insert(ids.map((id) => ({ ...delivery, id, event_id: id })));
      await knex('webhook_attempts').insert(ids.map((id) => ({ ...attempt, id, delivery_id: id })));
    }
    expect(await webhooks.prune()).toBe(3 * 2100);
    expect([await knex('events'), await knex('webhook_deliveries'), await knex('webhook_attempts')]).toEqual([[event], [delivery], [attempt]].map((rows) => rows.map((row) => expect.objectContaining({ id: row?.id })))); // prettier-ignore
  });

  it('sends a sample and shows the answer, also of a disabled endpoint, storing nothing', async () => {
    const { webhooks, owner, endpoint, target, states } = await connected({ secret: 's', enabled: false });
    target.answer((_, response) => response.writeHead(201).end('thanks'));
    const result = await webhooks.test(owner, endpoint.id);
    expect(result).toMatchObject({ ok: true, status: 201, response: 'thanks', error: null });
    const [request] = target.requests;
    expect(request?.body).toBe(result.body);
    expect(signaturesOf(request)).toEqual([expected(request, 's')]);
    await target.close();
    expect(await webhooks.test(owner, endpoint.id)).toMatchObject({ ok: false, status: null, error: 'The connection to the address failed' }); // prettier-ignore
    expect(await states()).toEqual({});
  });

  it.each([
    ['closes early', (write: (text: string) => void, end: () => void) => (write('HTTP/1.1 2'), end())],
    ['talks nonsense', (write: (text: string) => void, end: () => void) => (write('hello there\r\n\r\n'), end())],
    ['says nothing at all', () => undefined],
    [
      'is slower than it may',
      (write: (text: string) => void) => setTimeout(() => write('HTTP/1.1 200 OK\r\n\r\n'), 400),
    ],
  ])('keeps what a receiver that %s was sent, until it takes it', async (_, behave) => {
    let broken = true;
    const raw = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => {
        if (broken)
          behave(
            (text) => void socket.write(text),
            () => socket.end(),
          );
        else socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      });
    });
    await new Promise<void>((resolve) => raw.listen(0, '127.0.0.1', resolve));
    closers.push(() => new Promise((resolve) => raw.close(() => resolve())));
    const { webhooks, owner, receive, states, settled } = await build({ timeoutMs: 150 });
    await webhooks.create(owner, { url: `http://127.0.0.1:${(raw.address() as AddressInfo).port}/`, dialect: 'plain' });
    await receive([{}]);
    await expect.poll(states).toEqual({ retry: 1 });
    broken = false;
    await settled();
    expect(await states()).toEqual({ delivered: 1 });
  });

  it('takes a 2xx that lies about its length, and does not read it to the end', async () => {
    const { target, receive, settled, states } = await connected();
    target.answer((_, response) => {
      response.writeHead(200, { 'content-length': '1000000' });
      response.write('short');
      setTimeout(() => response.destroy(), 20);
    });
    await receive([{}]);
    await settled();
    expect(await states()).toEqual({ delivered: 1 });
  });

  it('loses nothing when the clock jumps forwards and back', async () => {
    const clock = createSettableClock();
    const { target, receive, settled } = await connected({}, { clock });
    const refusals = new Set(['a', 'b']);
    target.answer((request, response) => response.writeHead(refusals.delete(textOf(request)) ? 500 : 200).end());
    await receive([{ chat: 1, text: 'a' }, { chat: 2, text: 'b' }]); // prettier-ignore
    await target.received(2);
    clock.jump(3 * 3_600_000);
    await receive([{ chat: 3, text: 'c' }]);
    await settled();
    clock.jump(-6 * 3_600_000);
    await receive([{ chat: 1, text: 'd' }, { chat: 4, text: 'e' }]); // prettier-ignore
    await settled();
    expect(target.requests.map(textOf).toSorted()).toEqual(['a', 'a', 'b', 'b', 'c', 'd', 'e']);
  });

  it('sends nothing to a private address that a name points to only later', async () => {
    const target = await receiver();
    let address = '127.0.0.1';
    const outbound = createOutbound({
      allowCidrs: ['127.0.0.1/32'],
      lookup: () => Promise.resolve([{ address, family: 4 }]),
    });
    closers.push(() => outbound.close());
    const { webhooks, owner, receive, states } = await build({ outbound });
    await webhooks.create(owner, { url: `http://erp.example:${target.port}/hook`, dialect: 'plain' });
    address = '127.0.0.2';
    await receive([{}]);
    await expect.poll(states).toEqual({ retry: 1 });
    expect(target.requests).toEqual([]);
    expect((await webhooks.attempts(owner, { limit: 1 }))[0]).toMatchObject({ status: null });
    address = '127.0.0.1';
    await target.received(1);
  });
});
