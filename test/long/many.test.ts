import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { linkNew } from '../bench/sends.ts';
import { browsersIn } from '../support/browsers.ts';
import { openSqlite } from '../support/database.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';

const count = Number(process.env.INSTANCES ?? 20);
const concurrency = 3;
const shutdownMs = 30_000;

it(`starts ${count} linked instances at once, ${concurrency} at a time, without a scan, and ends them within 30 s`, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-many-'));
  const database = await openSqlite();
  const env = {
    PORT: await freePort(),
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    LOG_LEVEL: 'warn',
    START_CONCURRENCY: String(concurrency),
  };
  let gateway = await spawnGateway(env);
  try {
    for (let index = 1; index <= count; index += 1) await linkNew(gateway, `2557570${String(index).padStart(5, '0')}`);
    const ends: number[] = [await end(gateway)];
    expect(browsersIn(dataDir)).toEqual([]);

    // With the pause between starts that the gateway has by itself.
    const startedAt = performance.now();
    gateway = await spawnGateway({ ...env, START_STAGGER_MS: '2000' });
    let mostStarting = 0;
    for (;;) {
      const states = await statesOf(gateway);
      expect(states).not.toContain('qr');
      mostStarting = Math.max(
        mostStarting,
        browsersIn(dataDir).length - states.filter((state) => state === 'ready').length,
      );
      if (states.every((state) => state === 'ready')) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const readyMs = performance.now() - startedAt;
    ends.push(await end(gateway));
    process.stdout.write(
      `many ${JSON.stringify({ count, readyMs: Math.round(readyMs), mostStarting, endMs: ends.map(Math.round) })}\n`,
    );
    expect(browsersIn(dataDir)).toEqual([]);
    expect(Math.max(...ends)).toBeLessThan(shutdownMs);
    // The picture is taken in two steps, between which one more may have begun.
    expect(mostStarting).toBeLessThanOrEqual(concurrency + 1);
  } finally {
    await gateway.kill('SIGKILL');
    await database.drop();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
});

async function end(gateway: GatewayProcess): Promise<number> {
  const startedAt = performance.now();
  expect(await gateway.kill('SIGTERM')).toBe(0);
  return performance.now() - startedAt;
}

async function statesOf(gateway: GatewayProcess): Promise<string[]> {
  const { json } = await gateway.call('wap_bridge.api.instances.list_instances', {});
  return (json.instances as { status: string }[]).map(({ status }) => status);
}
