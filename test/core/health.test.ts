import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countInstances, createHealthChecks } from '../../src/core/health.ts';
import { createDatabase } from '../../src/store/database.ts';
import { createStatsStore } from '../../src/store/stats.ts';
import { forEachDatabase, openSqlite, type TestDatabase } from '../support/database.ts';
import { buildInstance } from '../support/factories.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-health-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

function checksOf(opened: TestDatabase, patch: Partial<Parameters<typeof createHealthChecks>[0]> = {}) {
  return createHealthChecks({
    database: opened.database,
    dataDir,
    minFreeBytes: 1,
    browserProblem: () => null,
    ...patch,
  });
}

forEachDatabase((open) => {
  let opened: TestDatabase;
  beforeEach(async () => {
    opened = await open();
  });
  afterEach(() => opened.drop());

  it('is well on a database that can be written', async () => {
    await expect(checksOf(opened).database()).resolves.toBeUndefined();
  });

  it('is not well on a schema that is older than the program', async () => {
    await opened.database.knex('knex_migrations').where({ name: '20261121120000_webhooks' }).delete();
    await expect(checksOf(opened).database()).rejects.toThrow('run npm run migrate');
  });

  it('counts instances by state, and those that should be ready and are not', async () => {
    await buildInstance(opened.database);
    const waiting = await buildInstance(opened.database, { state: 'qr' });
    const stopped = await buildInstance(opened.database, { state: 'stopped' });
    await opened.database.knex('instances').where({ id: stopped.id }).update({ desired_state: 'stopped' });
    expect(await countInstances(createStatsStore(opened.database))).toEqual({
      states: { ready: 1, qr: 1, stopped: 1 },
      missing: 1,
    });
    expect(waiting.desiredState).toBe('run');
  });
});

describe('on SQLite', () => {
  let opened: TestDatabase;
  beforeEach(async () => {
    opened = await openSqlite();
  });
  afterEach(() => opened.drop());

  it('is not well on a database that only can be read', async () => {
    const other = createDatabase(opened.url);
    await other.knex.raw('PRAGMA query_only = ON');
    await expect(checksOf(opened, { database: other }).database()).rejects.toThrow('The database cannot be written');
    await other.close();
  });

  it('is not well while another program keeps the database locked', async () => {
    const other = createDatabase(opened.url);
    await opened.database.knex.raw('PRAGMA busy_timeout = 50');
    await other.knex.transaction(async (trx) => {
      await trx('sequences').insert({ name: 'held', value: 1 });
      await expect(checksOf(opened).database()).rejects.toThrow('The database cannot be written');
    });
    await other.close();
    await expect(checksOf(opened).database()).resolves.toBeUndefined();
  });

  it('is not well below the free space it is to keep', async () => {
    await expect(checksOf(opened, { minFreeBytes: 2 ** 60 }).disk()).rejects.toThrow(/DATA_DIR has \d+ MiB left/);
    await expect(checksOf(opened).disk()).resolves.toBeUndefined();
  });

  it('is not well on a folder that is gone', async () => {
    await expect(checksOf(opened, { dataDir: join(dataDir, 'gone') }).disk()).rejects.toThrow('cannot be written');
  });

  it.skipIf(process.getuid?.() === 0)('is not well on a folder that only can be read', async () => {
    await chmod(dataDir, 0o500);
    await expect(checksOf(opened).disk()).rejects.toThrow('cannot be written');
    await chmod(dataDir, 0o700);
  });

  it('is not well while the process does not get to its timers', async () => {
    const { event_loop: eventLoop } = checksOf(opened);
    await expect(eventLoop()).resolves.toBeUndefined();
    const asked = eventLoop();
    const until = performance.now() + 1_200;
    while (performance.now() < until);
    await expect(asked).rejects.toThrow(/timers are \d+ ms late/);
  });

  it('is not well when no browser starts', async () => {
    await expect(checksOf(opened, { browserProblem: () => 'No browser starts' }).browser()).rejects.toThrow(
      'No browser starts',
    );
  });
});
