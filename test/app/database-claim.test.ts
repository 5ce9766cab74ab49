import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createDatabaseClaim } from '../../src/app/database-claim.ts';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { systemClock } from '../../src/model/time.ts';
import { createGatewayClaimStore } from '../../src/store/gateway-claim.ts';
import { type LockOwner, thisProcess } from '../../src/whatsapp/chromium/lock.ts';
import { until } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { startGateway } from '../support/gateway.ts';

const here = thisProcess();
const elsewhere: LockOwner = { ...here, host: 'elsewhere' };
const gone: LockOwner = { ...here, pid: 2 ** 22 + 1 };
const never = 3_600_000;

forEachDatabase((open) => {
  let opened: TestDatabase;
  let lost: string[];
  let claims: { release(): Promise<void> }[];

  beforeEach(async () => {
    opened = await open();
    lost = [];
    claims = [];
  });
  afterEach(async () => {
    for (const claim of claims) await claim.release();
    await opened.drop();
  });

  function claimOf(holder: string, { owner = elsewhere, beatMs = 20, dataDir = `/data/${holder}` } = {}) {
    const claim = createDatabaseClaim({
      store: createGatewayClaimStore(opened.database),
      holder,
      dataDir,
      owner,
      beatMs,
      lost: () => lost.push(holder),
      clock: systemClock(),
      log: pino({ level: 'silent' }),
    });
    claims.push(claim);
    return claim;
  }

  it('belongs to one gateway until that gives it free', async () => {
    const first = claimOf('A');
    await first.take();
    const second = claimOf('B', { owner: here, beatMs: never });
    await expect(second.assertFree()).rejects.toThrow(`process ${process.pid} on elsewhere, data folder /data/A`);
    await expect(second.take()).rejects.toThrow('uses this database');
    await first.release();
    await second.take();
    expect(lost).toEqual([]);
  });

  it('belongs to one of those that ask for it at once', async () => {
    const asked = ['A', 'B', 'C'].map((holder) => claimOf(holder, { owner: here }).take());
    const taken = (await Promise.allSettled(asked)).filter(({ status }) => status === 'fulfilled');
    expect(taken).toHaveLength(1);
  });

  it('is taken over at once from a process of this machine that is gone', async () => {
    await claimOf('A', { owner: gone, beatMs: never }).take();
    await claimOf('B', { owner: here, beatMs: never }).take();
  });

  it('is taken over at once by who holds the data folder of the one before', async () => {
    await claimOf('A', { owner: here, beatMs: never, dataDir: '/data' }).take();
    await claimOf('B', { owner: here, beatMs: never, dataDir: '/data' }).take();
  });

  it('is taken over from a gateway elsewhere that touches it no more', async () => {
    await claimOf('A', { beatMs: never }).take();
    await claimOf('B', { owner: here }).take();
  });

  it('tells a gateway that stood still for too long that another has taken it', async () => {
    await claimOf('A').take();
    await opened.database.knex('gateway_claim').update({ holder: 'B' });
    await until('it has noticed', () => lost.length > 0);
    expect(lost).toEqual(['A']);
  });

  it('refuses a second gateway with another data folder, and does nothing to what is there', async () => {
    const gateway = await startGateway(opened.url);
    const other = await mkdtemp(join(tmpdir(), 'wapbridge-other-'));
    const config = readConfig({
      PORT: '0',
      DATA_DIR: other,
      DATABASE_URL: opened.url,
      SANDBOX: 'true',
      CHROMIUM_PATH: process.env.CHROMIUM_PATH ?? '',
    });
    try {
      const second = createApp({ config, log: createLog('silent') });
      await expect(second).rejects.toThrow(`data folder ${gateway.dataDir}) uses this database`);
      await gateway.restart();
    } finally {
      await gateway.stop();
      await rm(other, { recursive: true, force: true });
    }
  });
});
