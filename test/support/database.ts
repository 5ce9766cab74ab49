import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { createDatabase, type Database } from '../../src/store/database.ts';
import { repeating } from './repeating.ts';

/** A database made for one test and removed by `drop`. */
export interface TestDatabase {
  database: Database;
  url: string;
  drop(): Promise<void>;
}

const mysqlUrl = process.env.TEST_MYSQL_URL ?? ((await answers(3306)) ? 'mysql://root@127.0.0.1:3306' : null);

/** Runs the same tests on SQLite and, where a server answers (or `TEST_MYSQL_URL` names one), on MariaDB/MySQL. */
export function forEachDatabase(tests: (open: () => Promise<TestDatabase>, engine: 'sqlite' | 'mysql') => void): void {
  describe('on SQLite', () => tests(openSqlite, 'sqlite'));
  describe.skipIf(!mysqlUrl)(
    mysqlUrl ? 'on MariaDB' : 'on MariaDB (skipped: none answers on 127.0.0.1:3306, and TEST_MYSQL_URL names none)',
    () => tests(openMysql, 'mysql'),
  );
}

/** The same, and once more on SQLite with every transaction rolled back and repeated: its work must do nothing but touch the database. */
export function forEachDatabaseAndRepeated(
  tests: (open: () => Promise<TestDatabase>, engine: 'sqlite' | 'mysql') => void,
): void {
  forEachDatabase(tests);
  const open = async () => {
    const opened = await openSqlite();
    return { ...opened, database: repeating(opened.database) };
  };
  describe('with every transaction repeated', () => tests(open, 'sqlite'));
}

/** Opens a fresh, migrated SQLite database in a folder of its own. */
export async function openSqlite(): Promise<TestDatabase> {
  const dir = await mkdtemp(join(tmpdir(), 'wapbridge-db-'));
  const url = `sqlite:${join(dir, 'test.db')}`;
  return migrated(url, () => rm(dir, { recursive: true, force: true }));
}

/** Opens a fresh, migrated database on the MariaDB/MySQL server of the tests. */
export async function openMysql(): Promise<TestDatabase> {
  const name = `wapbridge_test_${process.pid}_${Date.now()}_${Math.floor(Math.random() * 1e6)}`;
  await onServer(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`);
  return migrated(`${mysqlUrl}/${name}`, () => onServer(`DROP DATABASE ${name}`));
}

async function migrated(url: string, remove: () => Promise<void>): Promise<TestDatabase> {
  const database = createDatabase(url);
  await database.migrate();
  return {
    database,
    url,
    drop: async () => {
      await database.close();
      await remove();
    },
  };
}

async function onServer(sql: string): Promise<void> {
  if (!mysqlUrl) throw new Error('No MariaDB answers on 127.0.0.1:3306, and TEST_MYSQL_URL names none');
  const server = createDatabase(mysqlUrl);
  await server.knex.raw(sql);
  await server.close();
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port, timeout: 5_000 });
    socket
      .once('connect', () => done(true))
      .once('error', () => done(false))
      .once('timeout', () => done(false));
    function done(found: boolean) {
      socket.destroy();
      resolve(found);
    }
  });
}
