import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createWebVersions } from '../../src/whatsapp/web-versions.ts';
import { cli, startGatewayStub } from './support.ts';

let dir: string;
let env: Record<string, string>;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-web-cli-'));
  env = { DATA_DIR: dir, DATABASE_URL: `sqlite:${join(dir, 'db')}` };
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const versions = () => createWebVersions({ dir: join(dir, 'web-cache'), forced: null });

it('says how to get one when none is recorded', async () => {
  const { status, out, err } = await cli(['web-version', 'list'], env);
  expect([status, out]).toEqual([0, '']);
  expect(err).toContain('WHATSAPP_WEB_RECORD');
});

it('pins a recorded page, shows it, and lets go of it', async () => {
  await versions().save('2.3000.1', '<html lang="en"></html>');
  expect((await cli(['web-version', 'pin', '2.3000.1'], env)).status).toBe(0);
  expect((await versions().page()).version).toBe('2.3000.1');
  expect((await cli(['web-version', 'list'], env)).out).toMatch(/2\.3000\.1 +\S+ +1 KiB +pinned/);
  expect((await cli(['web-version', 'unpin'], env)).status).toBe(0);
  expect((await versions().page()).version).toBeNull();
});

it('does not pin what is not there, nor against the configuration', async () => {
  expect(await cli(['web-version', 'pin', '2.3000.1'], env)).toMatchObject({
    status: 1,
    err: expect.stringContaining('2.3000.1 is not recorded'),
  });
  const forced = { ...env, WHATSAPP_WEB_VERSION: '2.3000.9' };
  for (const words of [
    ['web-version', 'pin', '2.3000.1'],
    ['web-version', 'unpin'],
  ])
    expect(await cli(words, forced)).toMatchObject({ status: 1, err: expect.stringContaining('WHATSAPP_WEB_VERSION') });
});

it('asks the gateway to record the page of an instance', async () => {
  const stub = await startGatewayStub(() => ({ body: { ok: true, version: '2.3000.1', recorded: true } }));
  const { out } = await cli(['web-version', 'record', 'INST-01-0000142'], { ...env, PORT: String(stub.port) });
  expect(out).toBe('2.3000.1 is recorded.');
  expect(stub.calls[0]).toMatchObject({
    method: 'instances.record_web_version',
    params: { instance_id: 'INST-01-0000142' },
  });
  await stub.close();
});

it('shows what Prometheus would read, and says when nothing is measured', async () => {
  expect(await cli(['metrics'], env)).toMatchObject({ status: 1, err: expect.stringContaining('METRICS_TOKEN') });
  const asked: (string | undefined)[] = [];
  const fetch: typeof globalThis.fetch = async (_, init) => {
    asked.push(new Headers(init?.headers).get('authorization') ?? undefined);
    return new Response('wapbridge_database_up 1\n');
  };
  const { out } = await cli(['metrics'], { ...env, METRICS_TOKEN: 'a-token-for-prometheus' }, { fetch });
  expect([out, asked]).toEqual(['wapbridge_database_up 1', ['Bearer a-token-for-prometheus']]);
});
