import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCertificate } from '../../src/sandbox/certificate.ts';
import { until } from '../support/clock.ts';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';

let dir: string;
let receiver: Receiver;
let proxy: ConnectProxy;
let gateway: GatewayProcess;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-tls-'));
  const certificate = createCertificate('erp.example');
  await writeFile(join(dir, 'ca.pem'), certificate.cert);
  receiver = await startReceiver(0, certificate);
  proxy = await startConnectProxy({ login: 'me:hu:sh', portOf: () => receiver.port });
  gateway = await spawnGateway({
    PORT: await freePort(),
    DATA_DIR: join(dir, 'data'),
    DATABASE_URL: `sqlite:${join(dir, 'test.db')}`,
    OUTBOUND_PROXY: `http://me:hu%3Ash@127.0.0.1:${proxy.port}`,
    WEBHOOK_HTTPS_ONLY: 'true',
    NODE_EXTRA_CA_CERTS: join(dir, 'ca.pem'),
  });
});

afterAll(async () => {
  await gateway?.kill('SIGTERM');
  await proxy.close();
  await receiver.close();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

const call = async (method: string, body: Record<string, unknown>) =>
  (await gateway.call(`wap_bridge.api.${method}`, body)).json;

it('delivers to an https receiver through OUTBOUND_PROXY, which sees nothing but the name', async () => {
  const url = 'https://erp.example/hook?a=1';
  const { webhook_id } = await call('settings.create_webhook', {
    url,
    secret: 'receiver-secret',
    events: ['instance.status'],
  });
  expect(await call('settings.test_webhook', { webhook_id })).toMatchObject({ delivered: true, http_status: 200 });
  await call('instances.create_instance', {});
  await until('an event is told', () => receiver.requests.length > 2);
  for (const { method, path, headers } of receiver.requests) {
    expect({ method, path, host: headers.host }).toEqual({ method: 'POST', path: '/hook?a=1', host: 'erp.example' });
    expect(headers['x-wapbridge-secret']).toBe('receiver-secret');
    expect(headers).not.toHaveProperty('proxy-authorization');
  }
  expect(JSON.parse(receiver.requests.at(-1)!.body)).toMatchObject({ event: 'instance.status' });
  const login = `Basic ${Buffer.from('me:hu:sh').toString('base64')}`;
  expect(new Set(proxy.asked)).toEqual(new Set([`erp.example:443 ${login}`]));
});

it('hands nothing to a receiver whose certificate names another host, and says so', async () => {
  const { webhook_id } = await call('settings.create_webhook', {
    url: 'https://other.example/hook',
    events: ['instance.status'],
  });
  expect(await call('settings.test_webhook', { webhook_id })).toMatchObject({
    delivered: false,
    error: 'The address has no valid certificate',
  });
  expect(proxy.tunnels).toContain('other.example:443');
  expect(receiver.requests.filter(({ headers }) => headers.host !== 'erp.example')).toEqual([]);
});
