import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { callbackify } from 'node:util';
import knex, { type Knex } from 'knex';
import type { ServerConnection } from '../model/errors.ts';
import { quiet } from './quiet.ts';

/** A connection as mysql2 makes it, with what knex and this file note on it. */
interface Connection {
  stream: { destroy(): void };
  query(sql: string, values: unknown[], done: (error: Error | null, rows: unknown) => void): void;
  /** Present while it serves a transaction. */
  __knexTxId?: string;
  /** Set: knex closes it instead of using it again. */
  __knex__disposed?: Error;
  /** Who it is, as the server says. */
  identity?: ServerConnection | undefined;
}

/** A statement that was given up: its connection may still be at it on the server. */
interface GivenUp extends ServerConnection {
  /** True when it may have been committed: nothing more is read or written before that is decided. */
  mayCommit: boolean;
}

interface MysqlOptions {
  url: string;
  /** How long one statement may take; null for as long as it likes. */
  timeoutMs: number | null;
  /** Connections that a former process gave up in a commit. */
  lost?: readonly ServerConnection[];
  /** Called when a commit is given up whose end is not known. */
  undecided?: () => void;
}

/** A call waits so long for a connection, and then `timeoutMs` for a statement: this part of it. */
const acquireShare = 0.5;
const pollMs = 25;
const maxConnections = 10;
const longestMs = 2 ** 31 - 1;

/**
 * Opens MySQL or MariaDB. A server that hangs does not hang the caller: a statement without an answer after `timeoutMs` is given
 * up with its connection, which is never used again. What was given up may still be carried out, as soon as the server goes on:
 * so the next connection first ends the old one there, and waits until it is gone. Whoever asks after that sees how it ended.
 */
export function openMysql({ url, timeoutMs, lost = [], undecided = () => undefined }: MysqlOptions): Knex {
  const acquireMs = timeoutMs === null ? longestMs : Math.ceil(timeoutMs * acquireShare);
  const givenUp = new Map<number, GivenUp>(lost.map((one) => [one.id, { ...one, mayCommit: true }]));
  let ending: Promise<void> | null = null;

  const base = createRequire(import.meta.url)('knex/lib/dialects/mysql2/index.js') as new (
    ...args: unknown[]
  ) => KnexInternals;

  class Client extends base {
    /** Gives nothing out before all that was given up is gone at the server: the pool has no step that could refuse in words of its own. */
    override async acquireConnection(): Promise<Connection> {
      const connection = await super.acquireConnection();
      try {
        if (givenUp.size > 0) await (ending ??= endAll(connection).finally(() => (ending = null)));
        return connection;
      } catch (error) {
        await this.releaseConnection(connection);
        throw error;
      }
    }

    /** Every statement goes this way, those of transactions too; a limit that knex or mysql2 takes would have to stand at each query. */
    override async _query(connection: Connection, query: Query): Promise<unknown> {
      const work = super._query(connection, query);
      try {
        return await inTime(work, connection);
      } catch (error) {
        noteEnd(connection, query.sql, error as Failure);
        throw error;
      }
    }
  }

  /** Rejects after a while, and then lets go of the connection: an answer that comes late must not be taken for another's. */
  async function inTime<T>(work: Promise<T>, connection: Connection, limitMs = timeoutMs): Promise<T> {
    if (limitMs === null) return work;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = Object.assign(new Error(`the database has not answered for ${limitMs} ms`), {
          code: 'DATABASE_TIMEOUT',
          fatal: true,
        });
        connection.__knex__disposed = error;
        connection.stream.destroy();
        reject(error);
      }, limitMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
      work.catch(() => undefined);
    }
  }

  /** Notes what may still go on at the server after its connection was lost. A statement that was never sent has no code. */
  function noteEnd(connection: Connection, sql: string, error: Failure): void {
    if (!error.fatal || error.code === undefined || !connection.identity) return;
    const mayCommit =
      connection.__knexTxId === undefined ? !/^\s*(select|show|set)\b/i.test(sql) : /^commit/i.test(sql);
    const { identity } = connection;
    // What follows a lost commit on the same connection changes nothing of it.
    if (givenUp.get(identity.id)?.mayCommit) return;
    givenUp.set(identity.id, { ...identity, mayCommit });
    if (!mayCommit) return;
    error.undecidedOn = identity;
    undecided();
  }

  async function endAll(connection: Connection): Promise<void> {
    const until = performance.now() + acquireMs;
    for (const one of givenUp.values()) {
      while (await isThere(connection, one)) {
        // It may be gone by now, or not be ours to end: then it ends by itself.
        await ask(connection, 'KILL CONNECTION ?', [one.id]).catch(rejectFatal);
        if (!one.mayCommit) break;
        if (performance.now() > until)
          throw Object.assign(new Error(`connection ${one.id} was given up and does not end at the server`), {
            code: 'DATABASE_TIMEOUT',
          });
        await sleep(pollMs);
      }
      givenUp.delete(one.id);
    }
  }

  async function isThere(connection: Connection, { id, host }: ServerConnection): Promise<boolean> {
    // Over a Unix socket every host is the same, and a server that was started anew counts from 1 again.
    const sql = 'SELECT 1 FROM information_schema.processlist WHERE id = ? AND host = ? AND id <> CONNECTION_ID()';
    return ((await ask(connection, sql, [id, host])) as unknown[]).length > 0;
  }

  function ask(connection: Connection, sql: string, values: unknown[] = []): Promise<unknown> {
    const answer = new Promise<unknown>((resolve, reject) =>
      connection.query(sql, values, (error, rows) => (error ? reject(error) : resolve(rows))),
    );
    return inTime(answer, connection, acquireMs);
  }

  async function prepare(connection: Connection): Promise<void> {
    // Rows are claimed by conditional updates, so the gap locks of the default level would only cost deadlocks.
    await ask(connection, 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    if (timeoutMs === null) return;
    // Who waits for a lock is told so by the server, and the connection stays good.
    const lockSeconds = Math.max(1, Math.floor((timeoutMs * acquireShare) / 1000));
    await ask(connection, `SET SESSION innodb_lock_wait_timeout = ${lockSeconds}, lock_wait_timeout = ${lockSeconds}`);
    const sql = 'SELECT id, host FROM information_schema.processlist WHERE id = CONNECTION_ID()';
    connection.identity = ((await ask(connection, sql)) as ServerConnection[])[0];
  }

  /** knex forgets a connection that could not be prepared, and leaves it open. */
  const prepareOrEnd = callbackify(async (connection: Connection) => {
    try {
      await prepare(connection);
    } catch (error) {
      connection.stream.destroy();
      throw error;
    }
  });

  return knex({
    client: Client as unknown as typeof Knex.Client,
    log: quiet,
    compileSqlOnError: false,
    acquireConnectionTimeout: acquireMs,
    // Otherwise knex asks, without a limit, and no connection is made before that is answered.
    version: 'latest',
    connection: {
      uri: url.replace(/^mariadb:/, 'mysql:'),
      charset: 'utf8mb4',
      connectTimeout: Math.min(acquireMs, 10_000),
    } as Knex.MySql2ConnectionConfig,
    pool: {
      min: 0,
      max: maxConnections,
      createTimeoutMillis: acquireMs,
      afterCreate: prepareOrEnd,
    },
  });
}

interface Query {
  sql: string;
}

interface Failure extends Error {
  code?: string;
  fatal?: boolean;
  undecidedOn?: ServerConnection;
}

/** What of knex's client is changed here. */
interface KnexInternals {
  acquireConnection(): Promise<Connection>;
  releaseConnection(connection: Connection): Promise<void>;
  _query(connection: Connection, query: Query): Promise<unknown>;
}

function rejectFatal(error: Failure): void {
  if (error.fatal) throw error;
}
