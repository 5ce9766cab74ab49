import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Knex } from 'knex';
import { describe, expect, it } from 'vitest';
import { isUndecided, toGatewayError, undecidedOn } from '../../src/model/errors.ts';
import { createDatabase, type Database } from '../../src/store/database.ts';
import { until } from '../support/clock.ts';
import { forEachDatabase, openSqlite, type TestDatabase } from '../support/database.ts';
import { startStallingProxy } from '../support/stalling-proxy.ts';

/** What has to be answered meanwhile is, on a busy machine too. */
const timeoutMs = 1_500;
/** What a call may wait: for a connection, then for one statement; and what a busy machine adds. */
const boundMs = timeoutMs * 1.5 + 1_500;

const account = (id: string) => ({ id, title: id, created_at: 1 });
const titles = async (knex: Knex) =>
  ((await knex('accounts').orderBy('id')) as { title: string }[]).map((a) => a.title);

const servesAgain = (database: Database) =>
  until('it serves again', () =>
    titles(database.knex).then(
      (found) => found.length === 1,
      () => false,
    ),
  );

async function failureOf(work: PromiseLike<unknown>): Promise<{ error: unknown; ms: number }> {
  const startedAt = performance.now();
  const error: unknown = await Promise.resolve(work).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(toGatewayError(error)).toMatchObject({ code: 'unavailable', retryAfterSeconds: 5 });
  return { error, ms: performance.now() - startedAt };
}

forEachDatabase((open, engine) => {
  describe.skipIf(engine === 'sqlite')('a server that goes silent', () => {
    async function behindProxy(
      test: (at: {
        database: Database;
        /** Of the server behind the proxy. */
        url: string;
        proxy: Awaited<ReturnType<typeof startStallingProxy>>;
        direct: TestDatabase;
      }) => Promise<void>,
    ): Promise<void> {
      const direct = await open();
      const url = new URL(direct.url);
      const proxy = await startStallingProxy({ host: url.hostname, port: Number(url.port) });
      url.port = String(proxy.port);
      const database = createDatabase(url.href, { timeoutMs });
      await database.knex('accounts').insert(account('CUST-0001'));
      try {
        await test({ database, url: url.href, proxy, direct });
      } finally {
        proxy.resume();
        await database.close();
        await proxy.close();
        await direct.drop();
      }
    }

    it('holds nobody up for longer than the limit, however many ask, and serves them again when it goes on', () =>
      behindProxy(async ({ database, proxy }) => {
        proxy.stall('all');
        const asked = [
          ...Array.from({ length: 30 }, () => failureOf(database.knex('accounts').first())),
          ...Array.from({ length: 10 }, () => failureOf(database.transaction((trx) => trx('accounts').first()))),
          failureOf(database.assertWritable()),
        ];
        for (const { ms } of await Promise.all(asked)) expect(ms).toBeLessThan(boundMs);
        // Nothing is connected any more by now: new connections are not answered either.
        for (const { ms } of await Promise.all([1, 2, 3].map(() => failureOf(database.knex('accounts').first()))))
          expect(ms).toBeLessThan(boundMs);
        expect(database.undecided()).toBe(0);
        proxy.resume();
        await servesAgain(database);
      }));

    it('is asked again on a new connection when the first one went silent as soon as it was made', () =>
      behindProxy(async ({ url, proxy }) => {
        const database = createDatabase(url, { timeoutMs });
        proxy.loseAfterLogin(true);
        await failureOf(database.knex('accounts').first());
        proxy.loseAfterLogin(false);
        await servesAgain(database);
        await database.close();
      }));

    it('does not take a late answer for that of another question', () =>
      behindProxy(async ({ database, proxy }) => {
        proxy.stall('answers');
        await failureOf(database.knex.raw('SELECT 1 AS n'));
        proxy.resume();
        const answers = await Promise.all([2, 3, 4].map((n) => database.knex.raw('SELECT ? AS n', [n])));
        expect(answers.map(([[row]]) => row.n)).toEqual([2, 3, 4]);
      }));

    it('says of a commit without an answer that it may have happened, and does not repeat it', () =>
      behindProxy(async ({ database, proxy }) => {
        let runs = 0;
        const { error } = await failureOf(
          database.transaction(async (trx) => {
            runs += 1;
            await trx('accounts').insert(account('CUST-0002'));
            proxy.stall('answers');
          }),
        );
        expect(isUndecided(error)).toBe(true);
        expect(database.undecided()).toBe(1);
        expect(runs).toBe(1);
        proxy.resume();
        expect(await titles(database.knex)).toEqual(['CUST-0001', 'CUST-0002']);
      }));

    it('does not carry out later what a former process has lost, once the next one has asked anything', () =>
      behindProxy(async ({ database, proxy, direct }) => {
        proxy.stallAt(['insert into `accounts`'], 'all');
        const { error } = await failureOf(database.knex('accounts').insert(account('CUST-0002')));
        const next = createDatabase(direct.url, { timeoutMs, lost: [undecidedOn(error)!] });
        expect(await titles(next.knex)).toEqual(['CUST-0001']);
        proxy.resume();
        await until('what was held back has got there', () => proxy.connections() === 0);
        expect(await titles(next.knex)).toEqual(['CUST-0001']);
        await next.close();
      }));

    it('says of a statement inside of a transaction that it did not happen', () =>
      behindProxy(async ({ database, proxy }) => {
        const { error } = await failureOf(
          database.transaction(async (trx) => {
            proxy.stall('answers');
            await trx('accounts').insert(account('CUST-0002'));
          }),
        );
        expect(isUndecided(error)).toBe(false);
        expect(database.undecided()).toBe(0);
        proxy.resume();
        expect(await titles(database.knex)).toEqual(['CUST-0001']);
      }));

    it('reads nothing before it is decided what became of a change that was given up', () =>
      behindProxy(async ({ database, direct }) => {
        const other = await direct.database.knex.transaction();
        await other('accounts').where({ id: 'CUST-0001' }).update({ title: 'locked' });
        // The lock is longer than the limit, so the change waits at the server while the gateway gives it up.
        const raw = (trx: Knex.Transaction) => trx.raw('SET SESSION innodb_lock_wait_timeout = 50');
        const held = await database.knex.transaction();
        await raw(held);
        await held.commit();
        const { error } = await failureOf(
          database.knex('accounts').where({ id: 'CUST-0001' }).update({ title: 'late' }),
        );
        expect(isUndecided(error)).toBe(true);
        const read = await titles(database.knex);
        await other.rollback();
        await sleep(200);
        expect(await titles(direct.database.knex)).toEqual(read);
      }));

    it('is told of a lock that others hold as of an outage, and keeps its connection', () =>
      behindProxy(async ({ direct }) => {
        const other = await direct.database.knex.transaction();
        await other('accounts').where({ id: 'CUST-0001' }).update({ title: 'locked' });
        const patient = createDatabase(direct.url, { timeoutMs: 3_000 });
        const { error, ms } = await failureOf(
          patient.transaction((trx) => trx('accounts').where({ id: 'CUST-0001' }).update({ title: 'late' })),
        );
        expect(ms).toBeLessThan(3_000 * 1.5 + 1_500);
        expect(error).toMatchObject({ code: 'ER_LOCK_WAIT_TIMEOUT' });
        await other.rollback();
        expect(await titles(patient.knex)).toEqual(['CUST-0001']);
        await patient.close();
      }));
  });
});

describe('a SQLite file that another process has locked', () => {
  const Libsql = createRequire(import.meta.url)('libsql') as new (file: string) => {
    exec(sql: string): void;
    prepare(sql: string): { all(): unknown[] };
    close(): void;
  };

  async function withOther(
    test: (at: { database: Database; other: InstanceType<typeof Libsql> }) => Promise<void>,
  ): Promise<void> {
    const opened = await openSqlite();
    const database = createDatabase(opened.url, { timeoutMs });
    const other = new Libsql(opened.url.slice('sqlite:'.length));
    try {
      await database.knex('accounts').insert(account('CUST-0001'));
      await test({ database, other });
    } finally {
      other.close();
      await database.close();
      await opened.drop();
    }
  }

  it('is waited for, while everything else goes on', () =>
    withOther(async ({ database, other }) => {
      other.exec('BEGIN IMMEDIATE');
      let turns = 0;
      const timer = setInterval(() => (turns += 1), 10);
      const written = database.transaction((trx) => trx('accounts').insert(account('CUST-0002')));
      await until('there were other turns', () => turns > 5);
      other.exec('ROLLBACK');
      await written;
      clearInterval(timer);
      expect(await titles(database.knex)).toEqual(['CUST-0001', 'CUST-0002']);
    }));

  it('is told as an outage when it takes too long, to all who wait, and nothing of theirs is written later', () =>
    withOther(async ({ database, other }) => {
      other.exec('BEGIN IMMEDIATE');
      const failures = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          failureOf(database.transaction((trx) => trx('accounts').insert(account(`CUST-001${n}`)))),
        ),
      );
      for (const { ms } of failures) expect(ms).toBeLessThan(boundMs);
      other.exec('ROLLBACK');
      expect(await titles(database.knex)).toEqual(['CUST-0001']);
    }));

  it('holds back no commit that comes after one that was refused', () =>
    withOther(async ({ database, other }) => {
      for (const [n, refused] of [
        () => database.knex('accounts').insert(account('CUST-0002')),
        () => database.transaction((trx) => trx('accounts').insert(account('CUST-0002'))),
      ].entries()) {
        other.exec('BEGIN IMMEDIATE');
        await failureOf(refused());
        other.exec(`UPDATE accounts SET title = 'theirs ${n}'; COMMIT`);
        await database.knex('accounts').update({ title: `${(await titles(database.knex))[0]}, then ours` });
        // What is committed is seen by others, and their writes are not locked out.
        expect(other.prepare('SELECT title FROM accounts').all()).toEqual([{ title: `theirs ${n}, then ours` }]);
        other.exec('UPDATE accounts SET created_at = 2');
      }
    }));

  it('is not written by another process between what a transaction reads and what it writes', () =>
    withOther(async ({ database, other }) => {
      await database.transaction(async (trx) => {
        const [first] = await titles(trx);
        expect(() => other.exec("UPDATE accounts SET title = 'theirs'")).toThrow('locked');
        await trx('accounts').insert({ ...account('CUST-0002'), title: `after ${first}` });
      });
      expect(await titles(database.knex)).toEqual(['CUST-0001', 'after CUST-0001']);
    }));
});
