import { afterEach, describe, expect, it } from 'vitest';
import { type TestGateway, request, startGateway, tokenOf } from '../dialects/gateway.ts';

const metricsToken = 'a-token-for-prometheus';
let gateway: TestGateway | undefined;
afterEach(() => gateway?.close());

async function start(token: string | null): Promise<TestGateway> {
  gateway = await startGateway({ metricsToken: token });
  return gateway;
}

async function read(url: string, authorization?: string) {
  return await request(`${url}/metrics`, { headers: authorization ? { Authorization: authorization } : {} });
}

describe('/metrics', () => {
  it('is off without a token, also for callers on loopback and for API tokens', async () => {
    const { url } = await start(null);
    expect((await read(url)).status).toBe(404);
    expect((await read(url, tokenOf('full'))).status).toBe(404);
    expect((await read(url, 'Bearer ')).status).toBe(404);
  });

  it('is for the bearer of the token alone', async () => {
    const { url } = await start(metricsToken);
    for (const wrong of [undefined, 'Bearer x', `Bearer ${metricsToken}x`, `token ${metricsToken}`, tokenOf('full')]) {
      const answer = await read(url, wrong);
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      expect(answer.text).not.toContain('wapbridge_');
    }
    const answer = await read(url, `bearer ${metricsToken}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.text).toContain('wapbridge_build_info');
  });

  it('counts calls by route and status, and everything that is nobody’s as one', async () => {
    gateway = await startGateway({ metricsToken, rateLimitPerMinute: 2 });
    const { url } = gateway;
    const list = `${url}/api/method/wap_bridge.api.instances.list_instances`;
    for (let call = 0; call < 3; call += 1) await request(list, { headers: { Authorization: tokenOf('full') } });
    for (const path of ['/a', '/b', '/wp-login.php']) await request(url + path);
    const { text } = await read(url, `Bearer ${metricsToken}`);
    const route = 'route="/api/method/wap_bridge.api.instances.list_instances"';
    expect(text).toContain(`wapbridge_http_requests_total{${route},status="200"} 2`);
    expect(text).toContain(`wapbridge_http_requests_total{${route},status="429"} 1`);
    expect(text).toContain('wapbridge_http_requests_total{route="other",status="404"} 3');
    expect(text).not.toContain('wp-login');
  });
});
