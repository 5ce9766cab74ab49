import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { forEachDatabaseAndRepeated } from '../support/database.ts';
import { useWebhookBed } from '../support/webhook-bed.ts';

forEachDatabaseAndRepeated((open) => {
  const bed = useWebhookBed(open);
  const { attempts, build, connected, receiver } = bed;

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
    expect(await attempts()).toMatchObject([{ attempt: 1, status: 200, error: null, response: 'ok' }]);
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
    expect((await attempts()).find(({ status }) => status === null)).toMatchObject({
      error: 'The body could not be made',
    });
  });
});
