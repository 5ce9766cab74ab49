import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';

/** The command lines of the browsers that run on this data folder. */
function browsersOn(dataDir: string): string[] {
  const lines = execFileSync('ps', ['-eo', 'args', '-ww'], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(`--user-data-dir=${dataDir}`));
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
  await until('it is ready', async () => (await status()) === 'ready', 30_000);
  expect(browsersOn(dataDir).length).toBeGreaterThan(0);
  return gateway;
}

it.each(['SIGINT', 'SIGTERM'] as const)(
  'ends cleanly at %s, also when it comes twice at once as through npm, leaving no browser',
  async (signal) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-signal-'));
    const gateway = await linked(dataDir);
    process.kill(gateway.pid, signal);
    expect(await gateway.kill(signal)).toBe(0);
    expect(browsersOn(dataDir)).toEqual([]);
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  },
);

it('leaves no browser behind when it is killed', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-signal-'));
  const gateway = await linked(dataDir);
  await gateway.kill('SIGKILL');
  await until('the browser has ended', () => browsersOn(dataDir).length === 0);
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});
