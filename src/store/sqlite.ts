import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import knex, { type Knex } from 'knex';
import { quiet } from './quiet.ts';

const keptStatements = 200;
const firstPauseMs = 2;
const mostPauseMs = 50;

/**
 * Opens a SQLite file. While another process holds its lock, who wants to write waits, for `timeoutMs` at most, and everything
 * else goes on: SQLite's own waiting would stop the whole process.
 */
export function openSqlite(filename: string, timeoutMs: number): Knex {
  mkdirSync(dirname(filename), { recursive: true });
  return knex({
    client: libsqlClient(timeoutMs),
    log: quiet,
    compileSqlOnError: false,
    acquireConnectionTimeout: Math.ceil(timeoutMs / 2),
    connection: { filename },
    useNullAsDefault: true,
    // One connection: SQLite has one writer, and a statement takes microseconds.
    pool: {
      min: 1,
      max: 1,
      afterCreate: (connection: Connection, done: (error: Error | null, connection: Connection) => void) => {
        // A commit survives the process; `flushed` makes it survive a power cut.
        connection.exec(
          'PRAGMA busy_timeout = 1000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 0;',
        );
        // A checkpoint waits for the disk, and everything waits for it: less often, with 16 MiB of log at most in place of 4.
        connection.exec('PRAGMA wal_autocheckpoint = 4000;');
        done(null, connection);
      },
    },
  });
}

interface Connection {
  exec(sql: string): void;
  inTransaction: boolean;
  /** Set: knex closes it instead of using it again. */
  __knex__disposed?: unknown;
  /** Present while it serves a transaction. */
  __knexTxId?: string;
}

interface Query {
  sql: string;
  response?: unknown;
}

/** knex's better-sqlite3 dialect on `libsql`, which has the same API and ships prebuilt binaries inside npm packages. */
function libsqlClient(timeoutMs: number): typeof Knex.Client {
  const require = createRequire(import.meta.url);
  const BetterSqlite3 = require('knex/lib/dialects/better-sqlite3/index.js') as new (...args: unknown[]) => {
    _query(connection: Connection, query: Query): Promise<unknown>;
  };
  return class extends BetterSqlite3 {
    _driver(): unknown {
      return keepStatements(require('libsql') as LibsqlDatabase);
    }

    /**
     * Takes the lock before anything is written, by `exec`, which leaves nothing behind when it is refused. A prepared statement
     * that is refused stays open in libsql, and while one is, SQLite keeps back every later commit of the connection.
     */
    override async _query(connection: Connection, query: Query): Promise<unknown> {
      if (/^begin\b/i.test(query.sql)) {
        await takeLock(connection);
        query.response = [];
        return query;
      }
      const writesAlone =
        connection.__knexTxId === undefined && /^\s*(insert|update|delete|replace)\b/i.test(query.sql);
      if (!writesAlone) return await this.ask(connection, query);
      await takeLock(connection);
      try {
        const result = await this.ask(connection, query);
        connection.exec('COMMIT');
        return result;
      } catch (error) {
        // A full disk has rolled it back already.
        if (connection.inTransaction) connection.exec('ROLLBACK');
        throw error;
      }
    }

    private async ask(connection: Connection, query: Query): Promise<unknown> {
      try {
        return await super._query(connection, query);
      } catch (error) {
        if (isBusy(error)) connection.__knex__disposed = error;
        throw error;
      }
    }
  } as unknown as typeof Knex.Client;

  async function takeLock(connection: Connection): Promise<void> {
    const until = performance.now() + timeoutMs;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, mostPauseMs)) {
      try {
        return connection.exec('BEGIN IMMEDIATE');
      } catch (error) {
        if (!isBusy(error) || performance.now() + pauseMs > until) throw error;
        await sleep(pauseMs);
      }
    }
  }
}

function isBusy(error: unknown): boolean {
  return String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY');
}

type LibsqlDatabase = new (...args: unknown[]) => { prepare(sql: string): unknown };

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
