import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { linkNew, untilReady } from '../bench/sends.ts';
import { browsersIn, isRunning } from '../support/browsers.ts';
import { until } from '../support/clock.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';

/** Starts a gateway on a data folder that has instances and waits until they are ready. */
async function startAgain(dataDir: string): Promise<GatewayProcess> {
  const gateway = await spawnGateway({
    PORT: await freePort(),
    DATA_DIR: dataDir,
    DATABASE_URL: `sqlite:${join(dataDir, 'db')}`,
  });
  const { json } = await gateway.call('wap_bridge.api.instances.list_instances', {});
  for (const { instance_id } of json.instances as { instance_id: string }[]) await untilReady(gateway, instance_id);
  return gateway;
}

async function linked(dataDir: string): Promise<GatewayProcess> {
  const gateway = await spawnGateway({
    PORT: await freePort(),
    DATA_DIR: dataDir,
    DATABASE_URL: `sqlite:${join(dataDir, 'db')}`,
  });
  const { json } = await gateway.call('wap_bridge.api.instances.create_instance', {});
  await gateway.call('wap_bridge.api.instances.get_qr', { instance_id: json.instance_id });
  await gateway.sandbox('link', { instance_id: json.instance_id, phone_number: '255757000001' });
  const status = async () =>
    (await gateway.call('wap_bridge.api.instances.instance_status', { instance_id: json.instance_id })).json.status;
  await until('it is ready', async () => (await status()) === 'ready');
  expect(browsersIn(dataDir).length).toBeGreaterThan(0);
  return gateway;
}

it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  'ends cleanly at %s, also when it comes twice at once as through npm, leaving no browser',
  async (signal) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-signal-'));
    const gateway = await linked(dataDir);
    process.kill(gateway.pid, signal);
    expect(await gateway.kill(signal)).toBe(0);
    expect(browsersIn(dataDir)).toEqual([]);
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  },
);

/** Five linked instances, the first of which has a frozen browser that cannot close by itself. */
async function withFrozen(dataDir: string): Promise<GatewayProcess> {
  const gateway = await linked(dataDir);
  for (let phone = 2; phone <= 5; phone += 1) await linkNew(gateway, `25575700000${phone}`);
  const [frozen] = browsersIn(dataDir);
  process.kill(frozen!, 'SIGSTOP');
  return gateway;
}

it('ends in time with five instances and a frozen browser, leaving no process', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-signal-'));
  const gateway = await withFrozen(dataDir);
  const startedAt = performance.now();
  expect(await gateway.kill('SIGTERM')).toBe(0);
  expect(performance.now() - startedAt).toBeLessThan(28_000);
  expect(browsersIn(dataDir)).toEqual([]);
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

it('ends at once at a second signal, and the next start has everything again', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-signal-'));
  const gateway = await withFrozen(dataDir);
  process.kill(gateway.pid, 'SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const startedAt = performance.now();
  expect(await gateway.kill('SIGTERM')).toBe(1);
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  await until('no browser is left', () => browsersIn(dataDir).length === 0);
  const next = await startAgain(dataDir);
  expect(browsersIn(dataDir)).toHaveLength(5);
  await next.kill('SIGTERM');
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

it('ends a frozen browser of a gateway that was killed, and opens its profile without a scan', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-signal-'));
  const gateway = await linked(dataDir);
  const [frozen] = browsersIn(dataDir);
  process.kill(frozen!, 'SIGSTOP');
  await gateway.kill('SIGKILL');
  expect(browsersIn(dataDir)).toEqual([frozen]);
  const next = await startAgain(dataDir);
  expect(isRunning(frozen!)).toBe(false);
  expect(browsersIn(dataDir)).toHaveLength(1);
  await next.kill('SIGTERM');
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

it('leaves no browser behind when it is killed', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-signal-'));
  const gateway = await linked(dataDir);
  await gateway.kill('SIGKILL');
  await until('the browser has ended', () => browsersIn(dataDir).length === 0);
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

it('works, and ends at SIGTERM, while nothing can be logged because the disk is full', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-signal-'));
  const full = await open('/dev/full', 'w');
  const env = { ...process.env, SANDBOX: 'true', DATA_DIR: dataDir, DATABASE_URL: `sqlite:${join(dataDir, 'db')}` };
  for (const LOG_FORMAT of ['json', 'pretty']) {
    const port = await freePort();
    const gateway = spawn(process.execPath, ['dist/src/main.js'], {
      env: { ...env, PORT: port, LOG_FORMAT },
      stdio: ['ignore', full.fd, 'ignore'],
    });
    const ended = once(gateway, 'exit');
    await until('it answers', () =>
      fetch(`http://127.0.0.1:${port}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    gateway.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  }
  await full.close();
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});
