import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorTable } from '../../../src/model/errors.ts';
import { frappeErrors } from '../../../src/dialects/wapbridge/errors.ts';
import { credentials } from '../fake-core.ts';
import { type Reply, type TestGateway, request, rpc, startGateway, tokenOf } from '../gateway.ts';

const status = 'wap_bridge.api.whatsapp.message_status';
const send = 'wap_bridge.api.whatsapp.send_api_message';
const whoami = 'frappe.auth.get_logged_user';
const { key, secret } = credentials.full;
const base64 = (text: string) => Buffer.from(text).toString('base64');

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

async function call(path: string, init: RequestInit & { authorization?: string } = {}): Promise<Reply> {
  const { authorization, ...rest } = init;
  return await request(`${gateway.url}${path}`, {
    ...rest,
    headers: {
      ...(authorization !== undefined && { Authorization: authorization }),
      ...(rest.headers as Record<string, string>),
    },
  });
}

/** frappe-wire 1.4: every key, in the form that clients parse. */
function expectEnvelope(reply: Reply, code: number, type: string): void {
  expect(reply.status).toBe(code);
  expect(reply.headers.get('content-type')).toMatch(/^application\/json/);
  expect(reply.headers.get('location')).toBeNull();
  const { exc_type, exception, exc, _server_messages, message } = reply.body;
  expect(exc_type).toBe(type);
  expect(typeof message).toBe('string');
  expect(exception).toBe(`${exception.split(':')[0]}: ${message}`);
  expect(exception.split(':')[0]).toMatch(new RegExp(`(^|\\.)${type}$`));
  expect(JSON.parse(exc)).toEqual([`${exception}\n`]);
  const [first] = JSON.parse(_server_messages) as string[];
  expect(JSON.parse(first ?? '')).toMatchObject({ indicator: 'red', raise_exception: 1, message: expect.any(String) });
}

describe('authentication', () => {
  it.each([
    ['token', `token ${key}:${secret}`],
    ['Token in capitals', `TOKEN ${key}:${secret}`],
    ['Basic', `Basic ${base64(`${key}:${secret}`)}`],
    ['basic in small letters', `basic ${base64(`${key}:${secret}`)}`],
    ['the pair as a bearer token', `Bearer ${key}:${secret}`],
  ])('takes %s', async (_name, authorization) => {
    const reply = await call(`/api/method/${whoami}`, { authorization });
    expect(reply.status).toBe(200);
    expect(reply.body).toEqual({ message: 'CUST-0143' });
    expect(reply.headers.get('set-cookie')).toBeNull();
  });

  it.each([
    ['a wrong secret', `token ${key}:wrong`],
    ['an unknown key', `token nobody:${secret}`],
    ['a revoked token', tokenOf('revoked')],
    ['an unknown scheme', `Digest ${key}:${secret}`],
    ['a scheme named like an object’s own', `constructor ${key}:${secret}`],
    ['no value', 'token'],
    ['no colon', `token ${key}`],
    ['two colons', `token ${key}:${secret}:x`],
    ['three parts', `token ${key} :${secret}`],
    ['an empty secret', `token ${key}:`],
    ['Basic with a wrong secret', `Basic ${base64(`${key}:wrong`)}`],
    ['Basic without a colon', `Basic ${base64(key)}`],
    ['a bearer token of nobody', 'Bearer abcdef'],
  ])('answers 401 to %s, on unknown paths too', async (_name, authorization) => {
    for (const path of [
      `/api/method/${whoami}`,
      '/api/method/no.such.method',
      '/api/resource/Nothing',
      '/api/method/ping',
    ])
      expectEnvelope(await call(path, { authorization }), 401, 'AuthenticationError');
  });

  it('answers 400 to Basic with broken base64', async () => {
    for (const value of ['%%%', '/w=='])
      expectEnvelope(
        await call(`/api/method/${whoami}`, { authorization: `Basic ${value}` }),
        400,
        'InvalidAuthorizationToken',
      );
  });

  it('answers 403 to a guest, not 401', async () => {
    const reply = await call(`/api/method/${whoami}`);
    expectEnvelope(reply, 403, 'PermissionError');
    expect(reply.body.message).toContain(`Function ${whoami} is not whitelisted`);
    expectEnvelope(await rpc(gateway, send, {}, { token: null }), 403, 'PermissionError');
  });

  it('lets a guest ping and read the version', async () => {
    for (const name of ['ping', 'frappe.ping', 'frappe.handler.ping'])
      expect((await call(`/api/method/${name}`)).body).toEqual({ message: 'pong' });
    for (const name of ['version', 'frappe.handler.version'])
      expect((await call(`/api/method/${name}`)).body).toEqual({ message: '0.1.0' });
  });
});

describe('a token that may only send', () => {
  const asSender = { authorization: tokenOf('send') };

  it.each([
    send,
    'wap_bridge.api.whatsapp.erpnext_notification_gateway',
    'wap_bridge.api.whatsapp.check_numbers',
    status,
    whoami,
    'ping',
  ])('may call %s', async (method) => {
    expect((await call(`/api/method/${method}`, { method: 'POST', ...asSender })).status).not.toBe(403);
  });

  it.each([
    ...[
      'create_instance',
      'list_instances',
      'instance_status',
      'get_qr',
      'request_pairing_code',
      'connect',
      'disconnect',
      'logout',
      'delete_instance',
    ].map((name) => `wap_bridge.api.instances.${name}`),
    'wap_bridge.api.settings.get_webhook',
    'wap_bridge.api.settings.set_webhook',
    'logout',
    'upload_file',
  ])('may not call %s', async (method) => {
    expectEnvelope(await call(`/api/method/${method}`, { method: 'POST', ...asSender }), 403, 'PermissionError');
  });
});

describe('routing', () => {
  const authorization = tokenOf('full');

  it.each([
    '/api/method/ping',
    '/api/method/ping/',
    '/api/v1/method/ping',
    '/api/v1/method/ping/',
    '/api/method/ping/more',
    '/?cmd=ping',
    '/any/path?cmd=ping',
    '/api/method/?cmd=ping',
    '/api/method/pin%67',
  ])('finds the method of %s without a redirect', async (path) => {
    const reply = await call(path, { authorization });
    expect(reply.status).toBe(200);
    expect(reply.body).toEqual({ message: 'pong' });
  });

  it.each([
    ['form', new URLSearchParams({ cmd: whoami })],
    ['JSON', JSON.stringify({ cmd: whoami })],
  ])('finds the method in the %s posted to the root', async (_kind, body) => {
    expect((await call('/', { method: 'POST', authorization, body })).body).toEqual({ message: 'CUST-0143' });
  });

  it('answers 417 to an unknown method, also to a guest', async () => {
    for (const path of [
      '/api/method/wap_bridge.api.nothing',
      '/api/v1/method/nothing',
      '/?cmd=no.such.thing',
      '/api/method/..%2f..%2fetc',
    ])
      expectEnvelope(await call(path), 417, 'ValidationError');
    expect((await call('/api/method/no.such', { authorization })).body.message).toMatch(
      /^Failed to get method for command no\.such with /,
    );
  });

  it('answers 404 to a resource and to a method without a name', async () => {
    for (const path of ['/api/resource/User', '/api/method', '/api/method/', '/api/v2/document/User'])
      expect((await call(path, { authorization })).status).toBe(404);
    expectEnvelope(await call('/api/resource/User', { authorization }), 404, 'PageDoesNotExistError');
  });

  it('leaves paths that are not Frappe’s to others', async () => {
    const reply = await call('/somewhere', { authorization });
    expect(reply.status).toBe(404);
    expect(reply.body).toEqual({ message: 'Not found', error: 'Not found', code: 'not_found' });
  });

  it.each([
    ['GET', send],
    ['PATCH', send],
    ['GET', 'wap_bridge.api.instances.create_instance'],
    ['GET', 'wap_bridge.api.instances.logout'],
    ['GET', 'wap_bridge.api.instances.delete_instance'],
    ['GET', 'wap_bridge.api.settings.set_webhook'],
    ['PATCH', 'ping'],
  ])('answers 403 to %s %s', async (method, name) => {
    expectEnvelope(await call(`/api/method/${name}`, { method, authorization }), 403, 'PermissionError');
  });

  it('answers HEAD where nothing changes, and sends no message by it', async () => {
    expect((await call('/api/method/ping', { method: 'HEAD' })).status).toBe(200);
    const url = '/api/method/wap_bridge.api.whatsapp.erpnext_notification_gateway?message=Hi&to_number=%2B255757123456';
    expect((await call(url, { method: 'HEAD', authorization })).status).toBe(403);
    expect(gateway.core.sent).toHaveLength(0);
  });

  it('answers OPTIONS with the methods of the path', async () => {
    const reply = await call(`/api/method/${send}`, { method: 'OPTIONS' });
    expect(reply.status).toBe(204);
    expect(reply.headers.get('allow')).toBe('POST, PUT, DELETE, OPTIONS');
  });
});

describe('parameters', () => {
  const authorization = tokenOf('full');
  const json = { 'Content-Type': 'application/json' };

  it('merges query and body, and the body wins', async () => {
    const path = `/api/method/${send}?from_number=%2B255700000000&to_number=%2B255711111111&_=123`;
    const reply = await call(path, {
      method: 'POST',
      authorization,
      headers: json,
      body: JSON.stringify({ to_number: '+255755123456', message: 'Hi' }),
    });
    expect(reply.status).toBe(200);
    expect(gateway.core.sent[0]?.to).toBe('+255755123456');
  });

  it('takes an empty body under a JSON label', async () => {
    expect((await call('/api/method/ping', { method: 'POST', headers: json, body: '' })).status).toBe(200);
  });

  it.each([
    ['a list as JSON', ['255757123456', '+255999000111']],
    ['a list in a text', '["255757123456", "+255999000111"]'],
    ['numbers', [255757123456, 255999000111]],
    ['a text with commas', '255757123456, +255999000111'],
  ])('takes list parameters as %s', async (_name, numbers) => {
    const reply = await rpc(gateway, 'wap_bridge.api.whatsapp.check_numbers', { numbers });
    expect(reply.body.numbers).toEqual([
      { number: '255757123456', on_whatsapp: true, jid: '255757123456@c.us' },
      { number: expect.stringContaining('255999000111'), on_whatsapp: false, jid: null },
    ]);
  });

  it('says which of the numbers cannot be one', async () => {
    const reply = await rpc(gateway, 'wap_bridge.api.whatsapp.check_numbers', { numbers: ['abc'] });
    expect(reply.body.numbers[0]).toMatchObject({
      number: 'abc',
      on_whatsapp: false,
      error: 'abc is not a valid phone number',
    });
  });

  it.each([
    ['broken JSON', '{"to_number": '],
    ['a JSON number', '5'],
    ['a JSON text', '"hello"'],
    ['plain prose', 'hello world'],
  ])('answers 400 to %s', async (_name, body) => {
    expectEnvelope(
      await call(`/api/method/${send}`, { method: 'POST', authorization, headers: json, body }),
      400,
      'ValidationError',
    );
  });

  it('names every field that is wrong', async () => {
    const reply = await rpc(gateway, send, { message: { a: 1 }, ttl: 'x' });
    expect(reply.status).toBe(417);
    expect(Object.keys(reply.body.fields)).toEqual(['to_number', 'message', 'ttl']);
  });

  it('is not moved by prototype names', async () => {
    const reply = await call('/api/method/ping?__proto__=x&constructor=y', {
      method: 'POST',
      headers: json,
      body: '{"__proto__": {"polluted": 1}}',
    });
    expect(reply.status).toBe(200);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('/api/v2', () => {
  it('answers data', async () => {
    expect((await call('/api/v2/method/ping')).body).toEqual({ data: 'pong' });
  });

  it('answers errors', async () => {
    const reply = await call(`/api/v2/method/${whoami}`);
    expect(reply.status).toBe(403);
    expect(reply.body).toEqual({
      errors: [
        expect.objectContaining({
          type: 'PermissionError',
          message: expect.stringContaining('not whitelisted'),
          indicator: 'red',
        }),
      ],
    });
  });
});

describe('Frappe’s own methods', () => {
  it('logs out to an empty answer', async () => {
    const reply = await call('/api/method/logout', { method: 'POST', authorization: tokenOf('full') });
    expect([reply.status, reply.body]).toEqual([200, {}]);
  });

  it('refuses passwords and uploads with a way out', async () => {
    expectEnvelope(
      await call('/api/method/login', { method: 'POST', body: new URLSearchParams({ usr: 'a', pwd: 'b' }) }),
      403,
      'PermissionError',
    );
    const form = new FormData();
    form.set('file', new File(['x'], 'x.txt'));
    expectEnvelope(
      await call('/api/method/upload_file', { method: 'POST', authorization: tokenOf('full'), body: form }),
      417,
      'ValidationError',
    );
  });
});

describe('the error table', () => {
  it('has a row for each code, with statuses that Frappe’s envelope knows', () => {
    expect(Object.keys(frappeErrors)).toEqual(Object.keys(errorTable));
    for (const { status: code } of Object.values(frappeErrors))
      expect([400, 401, 403, 404, 409, 413, 417, 429, 500, 501, 503, 507]).toContain(code);
  });

  it('escapes in _server_messages what Frappe would show as HTML', async () => {
    const reply = await rpc(gateway, send, { to_number: '<img src=x>', message: 'Hi' });
    expect(reply.body._server_messages).not.toContain('<img');
    expect(reply.body.message).toContain('<img src=x>');
  });
});

describe('limits', () => {
  it('counts down on every answer and ends in a 429 with Retry-After', async () => {
    await gateway.close();
    gateway = await startGateway({ rateLimitPerMinute: 2 });
    const authorization = tokenOf('full');
    const first = await call(`/api/method/${whoami}`, { authorization });
    expect(
      Object.fromEntries(
        ['limit', 'remaining', 'used'].map((name) => [name, first.headers.get(`x-ratelimit-${name}`)]),
      ),
    ).toEqual({ limit: '2', remaining: '1', used: '1' });
    expect(Number(first.headers.get('x-ratelimit-reset'))).toBeLessThanOrEqual(60);
    expect(first.headers.get('ratelimit-policy')).toBe('"default";q=2;w=60');
    expect(first.headers.get('ratelimit')).toMatch(/^"default";r=1;t=\d+$/);
    await call('/api/method/no.such', { authorization });
    const reply = await call(`/api/method/${whoami}`, { authorization });
    expectEnvelope(reply, 429, 'TooManyRequestsError');
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(reply.headers.get('x-ratelimit-remaining')).toBe('0');
    expect((await call(`/api/method/${whoami}`, { authorization: tokenOf('other') })).status).toBe(200);
  });

  it('tells a guest of the limit of their address, and shows neither to who is not counted', async () => {
    const guest = await call('/api/method/ping', {});
    expect(guest.headers.get('ratelimit-policy')).toMatch(/^"ip";q=\d+;w=60$/);
    expect((await call('/healthz', {})).headers.get('ratelimit')).toBeNull();
  });

  it('lets the SMS gateway do ten times as much', async () => {
    await gateway.close();
    gateway = await startGateway({ rateLimitPerMinute: 3 });
    const sms = () =>
      rpc(
        gateway,
        'wap_bridge.api.whatsapp.erpnext_notification_gateway',
        { message: 'Hi', to_number: '+255757123456' },
        { token: 'send' },
      );
    const codes: number[] = [];
    for (let sent = 0; sent < 31; sent++) codes.push((await sms()).status);
    expect(codes).toEqual([...Array.from({ length: 30 }, () => 200), 429]);
  });
});
