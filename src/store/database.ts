import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import knex, { type Knex } from 'knex';
import { migrations } from '../../migrations/index.ts';
import { GatewayError } from '../model/errors.ts';

/** A connection pool or a transaction: what every store function runs its statements on. */
export type Connection = Knex | Knex.Transaction;

/** The database, on either engine. */
export interface Database {
  readonly knex: Knex;
  readonly engine: 'sqlite' | 'mysql';
  /** Runs `work` in one transaction; repeated when the engine chose it as a deadlock's victim, so it must only touch the database. */
  transaction<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T>;
  /** Brings the schema up to date and returns the names of what was run. @throws GatewayError conflict when the schema is newer than the program */
  migrate(): Promise<string[]>;
  /** @throws GatewayError unavailable when the database does not answer or its schema is older than the program */
  assertMigrated(): Promise<void>;
  close(): Promise<void>;
}

const deadlockAttempts = 4;

/** Opens `sqlite:PATH` or `mysql://…`; connecting happens at first use. */
export function createDatabase(url: string): Database {
  const engine = url.startsWith('sqlite:') ? 'sqlite' : 'mysql';
  const pool = engine === 'sqlite' ? openSqlite(url.slice('sqlite:'.length)) : openMysql(url);

  async function transaction<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await pool.transaction(work);
      } catch (error) {
        if (attempt >= deadlockAttempts || !isDeadlock(error)) throw error;
      }
    }
  }

  async function migrate(): Promise<string[]> {
    const { unknown } = await schemaState(pool);
    if (unknown.length > 0)
      throw new GatewayError('conflict', `The database was written by a newer version of the gateway (it has ${unknown.join(', ')}): update the gateway`);
    const [, names] = (await pool.migrate.latest(migrationConfig)) as [number, string[]];
    return names;
  }

  async function assertMigrated(): Promise<void> {
    const { missing } = await schemaState(pool);
    if (missing.length > 0) throw new GatewayError('unavailable', `The database lacks ${missing.join(', ')}: run npm run migrate`);
  }

  return { knex: pool, engine, transaction, migrate, assertMigrated, close: () => pool.destroy() };
}

const migrationConfig: Knex.MigratorConfig = {
  migrationSource: {
    getMigrations: () => Promise.resolve([...migrations]),
    getMigrationName: (entry: (typeof migrations)[number]) => entry.name,
    getMigration: (entry: (typeof migrations)[number]) => Promise.resolve(entry.migration),
  },
};

/** Returns which migrations the database lacks, and which it has that this program does not know. */
async function schemaState(pool: Knex): Promise<{ missing: string[]; unknown: string[] }> {
  const known = migrations.map((migration) => migration.name);
  if (!(await pool.schema.hasTable('knex_migrations'))) return { missing: known, unknown: [] };
  const done = ((await pool('knex_migrations').select('name')) as { name: string }[]).map((row) => row.name);
  return { missing: known.filter((name) => !done.includes(name)), unknown: done.filter((name) => !known.includes(name)) };
}

function openSqlite(path: string): Knex {
  const filename = resolve(path);
  mkdirSync(dirname(filename), { recursive: true });
  return knex({
    client: libsqlClient(),
    connection: { filename },
    useNullAsDefault: true,
    // One connection: SQLite has one writer, and a statement takes microseconds.
    pool: {
      min: 1,
      max: 1,
      afterCreate: (connection: { exec(sql: string): void }, done: (error: Error | null, connection: unknown) => void) => {
        // WAL + FULL: a committed row survives a power cut, at one fsync a commit.
        connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;');
        done(null, connection);
      },
    },
  });
}

function openMysql(url: string): Knex {
  return knex({
    client: 'mysql2',
    connection: { uri: url.replace(/^mariadb:/, 'mysql:'), charset: 'utf8mb4' } as Knex.MySql2ConnectionConfig,
    pool: { min: 0, max: 10 },
  });
}

/** knex's better-sqlite3 dialect on `libsql`, which has the same API and ships prebuilt binaries inside npm packages. */
function libsqlClient(): typeof Knex.Client {
  const require = createRequire(import.meta.url);
  const BetterSqlite3 = require('knex/lib/dialects/better-sqlite3/index.js') as new (...args: unknown[]) => Knex.Client;
  return class extends BetterSqlite3 {
    _driver(): unknown {
      return require('libsql');
    }
  } as unknown as typeof Knex.Client;
}

function isDeadlock(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  return code === 'ER_LOCK_DEADLOCK' || code === 'ER_LOCK_WAIT_TIMEOUT' || code === 'SQLITE_BUSY';
}
