import { expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';
import { createDatabase } from '../../src/store/database.ts';
import { forEachDatabase } from '../support/database.ts';

forEachDatabase((open) => {
  it('migrates up once and keeps what it has the second time', async () => {
    const { database, drop } = await open();
    await database.knex('accounts').insert({ id: 'CUST-0001', title: 'Ünïcode 🙂', created_at: 1_767_791_640_123 });
    expect(await database.migrate()).toEqual([]);
    expect(await database.knex('accounts').first()).toMatchObject({
      title: 'Ünïcode 🙂',
      created_at: 1_767_791_640_123,
    });
    await drop();
  });

  it('refuses a schema that is newer than the program', async () => {
    const { database, drop } = await open();
    await database
      .knex('knex_migrations')
      .insert({ name: '29990101000000_future', batch: 2, migration_time: new Date() });
    await expect(database.migrate()).rejects.toThrow('29990101000000_future');
    await expect(database.assertMigrated()).rejects.toThrow('29990101000000_future');
    await drop();
  });

  it('migrates down to nothing', async () => {
    const { database, drop } = await open();
    const { migrations } = await import('../../migrations/index.ts');
    for (const { migration } of migrations.toReversed()) await migration.down(database.knex);
    expect(await database.knex.schema.hasTable('messages')).toBe(false);
    await drop();
  });

  it('rolls a failed transaction back', async () => {
    const { database, drop } = await open();
    const failing = database.transaction(async (trx) => {
      await trx('accounts').insert({ id: 'CUST-0001', title: 'a', created_at: 1 });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await database.knex('accounts')).toEqual([]);
    await drop();
  });

  it('tells of a failed statement without the values in it, in the error and in the log', async () => {
    const { database, drop } = await open();
    const lines: string[] = [];
    const log = createLog('trace', { write: (line) => void lines.push(line) });
    const row = { id: 'CUST-0001', title: 'a-private-text', created_at: 1 };
    await database.knex('accounts').insert(row);
    const failures = [
      () => database.knex('accounts').insert({ ...row, id: 'CUST-0002', nothing: 1 }),
      () => database.knex('accounts').insert(row),
      () => database.knex('accounts').where({ nothing: 'a-private-text' }).update({ title: 'b' }),
      () =>
        database.transaction((trx) =>
          trx.raw('insert into accounts (id, title) values (?, ?)', ['1', 'a-private-text']),
        ),
    ];
    for (const failure of failures) {
      const error = (await Promise.resolve(failure()).catch((thrown: unknown) => thrown)) as Error;
      expect(error.message).toMatch(/accounts/);
      expect(error.message).not.toContain('a-private-text');
      log.error({ err: error }, 'request failed');
      log.error({ err: new Error('wrapped', { cause: error }) }, 'request failed');
    }
    expect(lines).toHaveLength(8);
    expect(lines.join('')).not.toContain('a-private-text');
    await drop();
  });

  it('flushes what was committed, also for many who ask at once', async () => {
    const { database, drop } = await open();
    for (let round = 0; round < 3; round += 1) {
      await database.knex('accounts').insert({ id: `CUST-000${round}`, title: 'a', created_at: 1 });
      await Promise.all(Array.from({ length: 20 }, () => database.flushed()));
    }
    await drop();
  });

  it('sees the same rows from a second process-like connection', async () => {
    const { database, url, drop } = await open();
    await database.knex('accounts').insert({ id: 'CUST-0001', title: 'a', created_at: 1 });
    const second = createDatabase(url);
    expect(await second.knex('accounts').count({ n: '*' }).first()).toEqual({ n: 1 });
    await second.close();
    await drop();
  });
});
