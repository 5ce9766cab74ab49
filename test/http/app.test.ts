import { afterEach, describe, expect, it } from 'vitest';
import { contentDisposition } from '../../src/http/media.ts';
import { GatewayError } from '../../src/model/errors.ts';
import { until } from '../support/clock.ts';
import { type TestGateway, type TestGatewayOptions, request, startGateway, tokenOf } from '../dialects/gateway.ts';
import { rawRequest } from './raw.ts';

let gateway: TestGateway | undefined;
afterEach(async () => {
  await gateway?.close();
  gateway = undefined;
});

async function start(options: TestGatewayOptions = {}): Promise<TestGateway> {
  gateway = await startGateway(options);
  return gateway;
}

describe('request ids', () => {
  it('takes over a harmless one and makes one otherwise', async () => {
    const { url } = await start();
    expect(
      (await request(`${url}/healthz`, { headers: { 'X-Request-Id': 'erp-42' } })).headers.get('x-request-id'),
    ).toBe('erp-42');
    for (const id of ['a b', 'x'.repeat(65), '<script>'])
      expect(
        (await request(`${url}/nowhere`, { headers: { 'X-Request-Id': id } })).headers.get('x-request-id'),
      ).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('every answer', () => {
  it.each(['/healthz', '/nowhere', '/api/method/ping', '/api/method/no.such', '/openapi/wapbridge.json'])(
    'of %s carries the security headers',
    async (path) => {
      const { headers } = await request(`${(await start()).url}${path}`);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
    },
  );
});

describe('the access log', () => {
  it('has one line a request, with the token’s key and without the query', async () => {
    const { url, logLines } = await start();
    await request(`${url}/api/method/frappe.auth.get_logged_user?to_number=255757123456`, {
      headers: { Authorization: tokenOf('full') },
    });
    await until('it is written', () => logLines().some(({ msg }) => msg === 'request'));
    const lines = logLines().filter((line) => line.msg === 'request');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      method: 'GET',
      path: '/api/method/frappe.auth.get_logged_user',
      status: 200,
      token: 'fullkey',
      ip: '127.0.0.1',
    });
    expect(JSON.stringify(logLines())).not.toMatch(/255757123456|full-secret/);
  });
});

describe('the log of failures', () => {
  it.each(['storage_full', 'unavailable', 'outcome_unknown'] as const)(
    'says what is behind %s, and nothing where it was said on purpose',
    async (code) => {
      const { core, url, logLines } = await start();
      const send = () =>
        request(`${url}/api/method/wap_bridge.api.whatsapp.send_api_message`, {
          method: 'POST',
          headers: { Authorization: tokenOf('full'), 'Content-Type': 'application/json' },
          body: JSON.stringify({ instance_id: 'INST-01-0000142', to_number: '255757123456', message: 'Hi' }),
        });
      core.failWith = new GatewayError(code, undefined, { cause: new Error('EIO: i/o error, fdatasync') });
      await send();
      core.failWith = new GatewayError(code);
      await send();
      const told = logLines().filter(({ msg }) => msg === 'request failed');
      expect(told).toMatchObject([{ level: 50, err: { message: 'EIO: i/o error, fdatasync' } }]);
    },
  );
});

describe('CORS', () => {
  const origin = 'https://erp.example.com';
  const preflight = {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,x-frappe-csrf-token',
    },
  };

  it('echoes an allowed origin with credentials, and what the preflight asks for', async () => {
    const { url } = await start({ corsOrigins: [origin] });
    const reply = await request(`${url}/api/method/ping`, preflight);
    expect(reply.status).toBe(204);
    expect(
      Object.fromEntries(
        ['origin', 'credentials', 'methods', 'headers'].map((name) => [
          name,
          reply.headers.get(`access-control-allow-${name}`),
        ]),
      ),
    ).toEqual({
      origin,
      credentials: 'true',
      methods: 'POST',
      headers: 'authorization,x-frappe-csrf-token',
    });
    expect(reply.headers.get('access-control-max-age')).toBe('86400');
    expect(reply.headers.get('vary')).toContain('Origin');
    const answer = await request(`${url}/api/method/no.such`, { headers: { Origin: origin } });
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
    expect(answer.headers.get('access-control-expose-headers')).toContain('X-Request-Id');
  });

  it('says nothing to other origins, and to all without configuration', async () => {
    const { url } = await start({ corsOrigins: ['https://other.example'] });
    expect((await request(`${url}/api/method/ping`, preflight)).headers.get('access-control-allow-origin')).toBeNull();
    await gateway?.close();
    const closed = await start();
    expect(
      (await request(`${closed.url}/api/method/ping`, preflight)).headers.get('access-control-allow-origin'),
    ).toBeNull();
  });

  it('echoes any origin when configured with *', async () => {
    const { url } = await start({ corsOrigins: ['*'] });
    expect((await request(`${url}/api/method/ping`, preflight)).headers.get('access-control-allow-origin')).toBe(
      origin,
    );
  });
});

describe('the client’s address', () => {
  const forwarded = { 'X-Forwarded-For': '203.0.113.9, 198.51.100.7' };

  it('is the peer’s unless the peer is a trusted proxy', async () => {
    const direct = await start();
    await request(`${direct.url}/healthz`, { headers: forwarded });
    const trusting = await startGateway({ trustProxy: ['127.0.0.1/32', '198.51.100.0/24'] });
    await request(`${trusting.url}/healthz`, { headers: forwarded });
    await request(`${trusting.url}/healthz`, { headers: { 'X-Forwarded-For': 'nonsense' } });
    const addresses = (of: TestGateway) => of.logLines().flatMap(({ msg, ip }) => (msg === 'request' ? [ip] : []));
    await until('all is written', () => addresses(direct).length === 1 && addresses(trusting).length === 2);
    expect(addresses(direct)).toEqual(['127.0.0.1']);
    expect(addresses(trusting)).toEqual(['203.0.113.9', '127.0.0.1']);
    await trusting.close();
  });
});

describe('media downloads', () => {
  it('come for a signed link, as a download that no browser runs', async () => {
    const { url } = await start();
    const reply = await request(`${url}/media/M1?expires=1&signature=good`);
    expect(reply.status).toBe(200);
    expect(reply.text).toBe('<svg/>');
    expect(reply.headers.get('content-type')).toBe('image/svg+xml');
    expect(reply.headers.get('content-disposition')).toBe(
      `attachment; filename="a_b___.svg"; filename*=UTF-8''a%22b__%C3%BC.svg`,
    );
    expect(reply.headers.get('content-security-policy')).toContain('sandbox');
    expect(reply.headers.get('content-length')).toBe('6');
  });

  it.each([
    ['a wrong signature', '/media/M1?expires=1&signature=bad', 403],
    ['an unknown file', '/media/M2?expires=1&signature=good', 404],
    ['another method', '/media/M1?expires=1&signature=good', 404, 'POST'],
    ['a path with dots', '/media/..%2fsecret.key?expires=1&signature=good', 404],
  ])('are refused for %s', async (_name, path, status, method = 'GET') => {
    expect((await request(`${(await start()).url}${path}`, { method })).status).toBe(status);
  });

  it('answer HEAD with the length alone', async () => {
    const reply = await request(`${(await start()).url}/media/M1?expires=1&signature=good`, { method: 'HEAD' });
    expect([reply.status, reply.headers.get('content-length'), reply.text]).toEqual([200, '6', '']);
  });
});

describe('contentDisposition', () => {
  it.each([
    ['photo.jpg', 'inline; filename="photo.jpg"'],
    [undefined, 'inline'],
    ['', 'inline'],
    ['../../etc/passwd', 'inline; filename=".._.._etc_passwd"'],
    [
      'a"; filename=evil.exe',
      `inline; filename="a_; filename=evil.exe"; filename*=UTF-8''a%22%3B%20filename%3Devil.exe`,
    ],
    ['übergabe.pdf', `inline; filename="_bergabe.pdf"; filename*=UTF-8''%C3%BCbergabe.pdf`],
    ['x\r\nSet-Cookie: a=b', 'inline; filename="x__Set-Cookie: a=b"'],
    ['gpj.\u202Eexe', 'inline; filename="gpj._exe"'],
    ['\uD800.pdf', `inline; filename="_.pdf"; filename*=UTF-8''%EF%BF%BD.pdf`],
  ])('names %j safely', (name, expected) => {
    expect(contentDisposition('inline', name)).toBe(expected);
  });
});

describe('the API document', () => {
  it('comes from the route table and its schemas', async () => {
    const { url } = await start();
    const { body } = await request(`${url}/openapi/wapbridge.json`);
    expect(body).toMatchObject({ openapi: '3.1.0', servers: [{ url: 'http://gateway.test' }] });
    const send = body.paths['/api/method/wap_bridge.api.whatsapp.send_api_message'].post;
    const schema = send.requestBody.content['application/json'].schema;
    expect(schema.required).toEqual(['to_number']);
    expect(schema.properties.to_number).toMatchObject({
      type: 'string',
      maxLength: 100,
      description: expect.stringContaining('country code'),
    });
    expect(send.security).toEqual([{ token: [] }, { basic: [] }]);
    const gatewayGet = body.paths['/api/method/wap_bridge.api.whatsapp.erpnext_notification_gateway'].get;
    expect(gatewayGet.parameters.map((parameter: { name: string }) => parameter.name)).toContain('to_number');
    expect(body.paths['/api/method/ping'].get.security).toEqual([]);
    const ids = Object.values(body.paths as Record<string, Record<string, { operationId: string }>>).flatMap((path) =>
      Object.values(path).map((operation) => operation.operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('exists for dialects that exist', async () => {
    const { url } = await start();
    expect((await request(`${url}/openapi/nothing.json`)).status).toBe(404);
    expect((await request(`${url}/openapi/__proto__.json`)).status).toBe(404);
  });
});

describe('odd targets', () => {
  it.each([
    'GET http://elsewhere.example/api/method/ping HTTP/1.1',
    'GET //api/method/ping HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'GET /api/method/%E0%A4%A HTTP/1.1',
    'GET /api/method/ping%00 HTTP/1.1',
  ])('are answered without a redirect or a crash: %s', async (line) => {
    const { port } = await start();
    const reply = await rawRequest(port, `${line}\r\nHost: gateway\r\n\r\n`);
    expect([200, 204, 404, 417]).toContain(reply.status);
    expect(reply.headers.location).toBeUndefined();
  });
});
