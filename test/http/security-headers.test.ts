import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { securityHeaders } from '../../src/http/security-headers.ts';
import { request, rpc, startGateway, type TestGateway, tokenOf } from '../dialects/gateway.ts';

let gateway: TestGateway;
beforeEach(async () => {
  gateway = await startGateway();
});
afterEach(() => gateway.close());

const always = {
  'content-security-policy': expect.stringContaining("default-src 'none'; frame-ancestors 'none'"),
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
const telltale = ['server', 'x-powered-by', 'via', 'strict-transport-security', 'set-cookie'];

describe('security headers', () => {
  it.each([
    ['an answer', '/api/method/ping', 200],
    ['a refusal', '/api/method/no.such', 417],
    ['a guest’s refusal', '/api/method/wap_bridge.api.instances.list_instances', 403],
    ['a page that is nobody’s', '/nothing', 404],
    ['health', '/healthz', 200],
    ['the API document', '/openapi/wapbridge.json', 200],
    ['a refused file', '/media/M1?expires=1&signature=bad', 403],
  ])('are on %s, which does not tell what it comes from', async (_name, path, status) => {
    const reply = await request(`${gateway.url}${path}`);
    expect(reply.status).toBe(status);
    expect(Object.fromEntries(reply.headers)).toMatchObject(always);
    for (const name of telltale) expect(reply.headers.get(name), name).toBeNull();
  });

  it('are on errors and preflights too', async () => {
    gateway.core.failWith = new Error('boom');
    const broken = await rpc(gateway, 'wap_bridge.api.whatsapp.send_api_message', { to_number: '255755123456' });
    expect(broken.status).toBeGreaterThanOrEqual(400);
    const options = await request(`${gateway.url}/api/method/ping`, { method: 'OPTIONS' });
    for (const reply of [broken, options]) expect(Object.fromEntries(reply.headers)).toMatchObject(always);
  });

  it('let other sites show a file by its link, and run nothing in it', async () => {
    const { headers } = await request(`${gateway.url}/media/M1?expires=1&signature=good`);
    expect(headers.get('cross-origin-resource-policy')).toBe('cross-origin');
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'; sandbox");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-disposition')).toMatch(/^attachment/);
  });

  it('allow no cache to keep an answer of the API', async () => {
    const reply = await request(`${gateway.url}/api/method/ping`, { headers: { Authorization: tokenOf('full') } });
    expect(reply.headers.get('cache-control')).toBe('no-store');
  });

  it('bind browsers to HTTPS only where the gateway is reached by it', () => {
    expect(securityHeaders('https://wa.example.com')['Strict-Transport-Security']).toMatch(/^max-age=\d{7,}$/);
    expect(securityHeaders('http://wa.example.com')).not.toHaveProperty('Strict-Transport-Security');
  });
});
