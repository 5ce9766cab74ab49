import { resolve } from 'node:path';
import type { Knex } from 'knex';
import { migrations } from '../../migrations/index.ts';
import { GatewayError, type ServerConnection } from '../model/errors.ts';
import { openMysql } from './mysql.ts';
import { nextNumber } from './sequences.ts';
import { openSqlite } from './sqlite.ts';
import { createWalFlush } from './wal-flush.ts';

/** A connection pool or a transaction: what every store function runs its statements on. */
export type Connection = Knex | Knex.Transaction;

/** The database, on either engine. */
export interface Database {
  readonly knex: Knex;
  readonly engine: 'sqlite' | 'mysql';
  /** Runs `work` in one transaction; repeated when the engine chose it as a deadlock's victim, or it is `Outdated`, so it must only touch the database. */
  transaction<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T>;
  /** Runs one statement, repeated like a transaction. */
  statement<T>(work: () => PromiseLike<T>): Promise<T>;
  /** Counts the commits of which nobody can say whether they happened: after one, what memory holds of the rows may be wrong. */
  undecided(): number;
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
const defaultTimeoutMs = 8_000;

interface DatabaseOptions {
  /** A statement, or the wait for a lock, that takes longer fails. */
  timeoutMs?: number;
  /** Connections on which a former process lost a commit: they are ended at the server before anything is asked there. */
  lost?: readonly ServerConnection[];
}

/** Opens `sqlite:PATH` or `mysql://…`; connecting happens at first use. */
export function createDatabase(
  url: string,
  { timeoutMs = defaultTimeoutMs, lost = [] }: DatabaseOptions = {},
): Database {
  const engine = url.startsWith('sqlite:') ? 'sqlite' : 'mysql';
  const file = engine === 'sqlite' ? resolve(url.slice('sqlite:'.length)) : null;
  let undecided = 0;
  const pool = file
    ? openSqlite(file, timeoutMs)
    : openMysql({ url, timeoutMs, lost, undecided: () => (undecided += 1) });
  // MySQL and MariaDB flush at each commit (innodb_flush_log_at_trx_commit = 1, their default).
  const flushed = file ? createWalFlush(file) : () => Promise.resolve();

  async function statement<T>(work: () => PromiseLike<T>): Promise<T> {
    const until = performance.now() + timeoutMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        // A deadlock's victim is rolled back for certain; what may have been committed must never be repeated here.
        if (attempt >= deadlockAttempts || !isRolledBack(error) || performance.now() > until) throw error;
      }
    }
  }

  const transaction = <T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T> =>
    statement(() => pool.transaction(work));

  async function migrate(): Promise<string[]> {
    const { missing } = await knownSchema(pool);
    if (missing.length === 0 || file) return latest(pool);
    // A migration may take longer than any other statement.
    const patient = openMysql({ url, timeoutMs: null });
    return latest(patient).finally(() => patient.destroy());
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
    undecided: () => undecided,
    flushed,
    migrate,
    assertMigrated,
    assertWritable,
    close: () => pool.destroy(),
  };
}

async function latest(pool: Knex): Promise<string[]> {
  const [, names] = (await pool.migrate.latest(migrationConfig)) as [number, string[]];
  return names;
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

/** Thrown by work that stands on what another has removed meanwhile: rolled back, it is done again on what is there now. */
export class Outdated extends Error {
  readonly code = 'OUTDATED';
}

const repeated = new Set<unknown>(['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT', 'OUTDATED']);

function isRolledBack(error: unknown): boolean {
  return repeated.has((error as { code?: unknown }).code);
}
