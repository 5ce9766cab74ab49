import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import knex, { type Knex } from 'knex';
import { migrations } from '../../migrations/index.ts';
import { GatewayError } from '../model/errors.ts';
import { nextNumber } from './sequences.ts';
import { createWalFlush } from './wal-flush.ts';

/** A connection pool or a transaction: what every store function runs its statements on. */
export type Connection = Knex | Knex.Transaction;

/** The database, on either engine. */
export interface Database {
  readonly knex: Knex;
  readonly engine: 'sqlite' | 'mysql';
  /** Runs `work` in one transaction; repeated when the engine chose it as a deadlock's victim, so it must only touch the database. */
  transaction<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T>;
  /** Runs one statement, repeated like a transaction. */
  statement<T>(work: () => PromiseLike<T>): Promise<T>;
  /** Resolves when everything committed so far survives a power cut; what a caller is told is kept must wait for it. */
  flushed(): Promise<void>;
  /** Brings the schema up to date and returns the names of what was run. @throws GatewayError conflict when the schema is newer than the program */
  migrate(): Promise<string[]>;
  /** @throws GatewayError unavailable when the schema is older than the program, conflict when it is newer; Error when the database does not answer */
  assertMigrated(): Promise<void>;
  /** Writes a row; rejects when the engine does not take it: read-only, disk full, locked. */
  assertWritable(): Promise<void>;
  close(): Promise<void>;
}

const deadlockAttempts = 4;

/** knex prints to the console what it throws as well; the one who catches it logs it. With `compileSqlOnError: false` it names the statement without its values: they are people's texts, numbers and addresses. */
const quiet: Knex.Logger = { warn: () => undefined, error: () => undefined, debug: () => undefined };

/** Opens `sqlite:PATH` or `mysql://…`; connecting happens at first use. */
export function createDatabase(url: string): Database {
  const engine = url.startsWith('sqlite:') ? 'sqlite' : 'mysql';
  const file = engine === 'sqlite' ? resolve(url.slice('sqlite:'.length)) : null;
  const pool = file ? openSqlite(file) : openMysql(url);
  // MySQL and MariaDB flush at each commit (innodb_flush_log_at_trx_commit = 1, their default).
  const flushed = file ? createWalFlush(file) : () => Promise.resolve();

  async function statement<T>(work: () => PromiseLike<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        if (attempt >= deadlockAttempts || !isDeadlock(error)) throw error;
      }
    }
  }

  const transaction = <T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T> =>
    statement(() => pool.transaction(work));

  async function migrate(): Promise<string[]> {
    await knownSchema(pool);
    const [, names] = (await pool.migrate.latest(migrationConfig)) as [number, string[]];
    return names;
  }

  async function assertMigrated(): Promise<void> {
    const { missing } = await knownSchema(pool);
    if (missing.length > 0)
      throw new GatewayError('unavailable', `The database lacks ${missing.join(', ')}: run npm run migrate`);
  }

  async function assertWritable(): Promise<void> {
    await transaction(async (trx) => void (await nextNumber(trx, 'write check')));
  }

  return {
    knex: pool,
    engine,
    transaction,
    statement,
    flushed,
    migrate,
    assertMigrated,
    assertWritable,
    close: () => pool.destroy(),
  };
}

const migrationConfig: Knex.MigratorConfig = {
  migrationSource: {
    getMigrations: () => Promise.resolve([...migrations]),
    getMigrationName: (entry: (typeof migrations)[number]) => entry.name,
    getMigration: (entry: (typeof migrations)[number]) => Promise.resolve(entry.migration),
  },
};

/** Returns which migrations the database lacks. @throws GatewayError conflict when it has some that this program does not know */
async function knownSchema(pool: Knex): Promise<{ missing: string[] }> {
  const { missing, unknown } = await schemaState(pool);
  if (unknown.length > 0)
    throw new GatewayError(
      'conflict',
      `The database was written by a newer version of the gateway (it has ${unknown.join(', ')}): update the gateway`,
    );
  return { missing };
}

/** Returns which migrations the database lacks, and which it has that this program does not know. */
async function schemaState(pool: Knex): Promise<{ missing: string[]; unknown: string[] }> {
  const known = migrations.map((migration) => migration.name);
  if (!(await pool.schema.hasTable('knex_migrations'))) return { missing: known, unknown: [] };
  const done = ((await pool('knex_migrations').select('name')) as { name: string }[]).map((row) => row.name);
  return {
    missing: known.filter((name) => !done.includes(name)),
    unknown: done.filter((name) => !known.includes(name)),
  };
}

function openSqlite(filename: string): Knex {
  mkdirSync(dirname(filename), { recursive: true });
  return knex({
    client: libsqlClient(),
    log: quiet,
    compileSqlOnError: false,
    connection: { filename },
    useNullAsDefault: true,
    // One connection: SQLite has one writer, and a statement takes microseconds.
    pool: {
      min: 1,
      max: 1,
      afterCreate: (
        connection: { exec(sql: string): void },
        done: (error: Error | null, connection: unknown) => void,
      ) => {
        // A commit survives the process; `flushed` makes it survive a power cut.
        connection.exec(
          'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;',
        );
        done(null, connection);
      },
    },
  });
}

function openMysql(url: string): Knex {
  return knex({
    client: 'mysql2',
    log: quiet,
    compileSqlOnError: false,
    connection: { uri: url.replace(/^mariadb:/, 'mysql:'), charset: 'utf8mb4' } as Knex.MySql2ConnectionConfig,
    pool: {
      min: 0,
      max: 10,
      // Rows are claimed by conditional updates, so the gap locks of the default level would only cost deadlocks.
      afterCreate: (connection: MysqlConnection, done: (error: Error | null, connection: unknown) => void) =>
        connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', (error) => done(error, connection)),
    },
  });
}

interface MysqlConnection {
  query(sql: string, done: (error: Error | null) => void): void;
}

/** knex's better-sqlite3 dialect on `libsql`, which has the same API and ships prebuilt binaries inside npm packages. */
function libsqlClient(): typeof Knex.Client {
  const require = createRequire(import.meta.url);
  const BetterSqlite3 = require('knex/lib/dialects/better-sqlite3/index.js') as new (...args: unknown[]) => Knex.Client;
  return class extends BetterSqlite3 {
    _driver(): unknown {
      return keepStatements(require('libsql') as LibsqlDatabase);
    }
  } as unknown as typeof Knex.Client;
}

type LibsqlDatabase = new (...args: unknown[]) => { prepare(sql: string): unknown };

const keptStatements = 200;

/** knex prepares every statement anew; the 200 latest are kept, which halves the time of a small one. */
function keepStatements(Database: LibsqlDatabase): LibsqlDatabase {
  return class extends Database {
    private readonly kept = new Map<string, unknown>();

    override prepare(sql: string): unknown {
      const statement = this.kept.get(sql) ?? super.prepare(sql);
      this.kept.delete(sql);
      this.kept.set(sql, statement);
      if (this.kept.size > keptStatements) this.kept.delete(this.kept.keys().next().value!);
      return statement;
    }
  };
}

function isDeadlock(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  return code === 'ER_LOCK_DEADLOCK' || code === 'ER_LOCK_WAIT_TIMEOUT' || code === 'SQLITE_BUSY';
}
