import type { RequestListener } from 'node:http';
import type { Logger } from 'pino';
import { type AppCore, buildCore } from './app/core.ts';
import { createDatabaseClaim } from './app/database-claim.ts';
import { buildHttp } from './app/http.ts';
import { buildWhatsApp } from './app/whatsapp.ts';
import type { Config } from './settings.ts';
import { freeBytes } from './core/disk.ts';
import { createMetrics } from './core/metrics/metrics.ts';
import { openWithdrawalJournal } from './core/withdrawal-journal.ts';
import type { SupervisionLimits } from './core/supervisor/limits.ts';
import { securityHeaders } from './http/security-headers.ts';
import { createHttpServer } from './http/server.ts';
import { gatewayJobs, type Jobs, startJobs } from './jobs/index.ts';
import { reasonOf } from './model/errors.ts';
import { createIdSource } from './model/ids.ts';
import { type Clock, systemClock, withTimeout } from './model/time.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import { createDatabase } from './store/database.ts';
import { createGatewayClaimStore } from './store/gateway-claim.ts';
import { createStatsStore } from './store/stats.ts';
import { version } from './version.ts';
import { killOrphans, lockDataDir } from './whatsapp/chromium/profile.ts';

/** A running gateway. */
export interface App {
  /** Where it listens. */
  url: string;
  port: number;
  core: AppCore;
  sandbox: Sandbox | null;
  /** Ends everything in good order, within about 25 s. */
  close(): Promise<void>;
}

interface AppOptions {
  config: Config;
  log: Logger;
  clock?: Clock;
  random?: () => number;
  /** Other than the usual patience with browsers; for tests. */
  supervision?: Partial<SupervisionLimits>;
  /** How long the end may take before what still hangs, mostly on a database that is away, is left alone. Default 20 s. */
  closeMs?: number;
  /** Hears that another gateway has taken the database: this one must be closed. */
  replaced?: () => void;
}

const httpGraceMs = 3_000;
/** What each part gets when the time is over. */
const leastCloseMs = 500;

/** The composition root: every part is made here, top to bottom, and ended in reverse by `close`. @throws Error in words for the operator when it cannot start */
export async function createApp({
  config,
  log,
  clock = systemClock(),
  random = Math.random,
  supervision,
  closeMs = 20_000,
  replaced = () => undefined,
}: AppOptions): Promise<App> {
  const closers: (() => Promise<unknown>)[] = [];
  /** Parts are closed in reverse order; one that fails or hangs does not keep the others open. */
  let closing = false;
  const close = once(async () => {
    closing = true;
    const deadlineAt = performance.now() + closeMs;
    for (const closer of closers.toReversed()) {
      const leftMs = Math.max(deadlineAt - performance.now(), leastCloseMs);
      await withTimeout(closer(), leftMs, 'It takes too long').catch((error: unknown) =>
        log.error({ error: reasonOf(error) }, 'a part did not close'),
      );
    }
  });
  try {
    return await compose();
  } catch (error) {
    await close();
    throw error;
  }

  async function compose(): Promise<App> {
    const newId = createIdSource(clock.now);
    const lock = await lockDataDir(config.dataDir);
    closers.push(() => lock.release());
    const orphans = await killOrphans({ dataDir: config.dataDir });
    if (orphans.length > 0) log.warn({ pids: orphans }, 'ended browsers that a killed gateway left');

    const journal = await openWithdrawalJournal({ dataDir: config.dataDir, log });
    closers.push(async () => journal.close());
    const plainDatabase = createDatabase(config.databaseUrl, {
      timeoutMs: config.databaseTimeoutMs,
      lost: journal.left.map(({ connection }) => connection),
    });
    closers.push(() => plainDatabase.close());
    const claim = createDatabaseClaim({
      store: createGatewayClaimStore(plainDatabase),
      holder: newId(),
      dataDir: config.dataDir,
      lost: replaced,
      clock,
      log,
    });
    closers.push(() => claim.release());

    // It ends before the database: calls that have begun are still answered.
    let listener: RequestListener = (_, response) =>
      response.writeHead(503, { ...securityHeaders(config.publicUrl ?? ''), 'Retry-After': '5' }).end();
    const server = createHttpServer((request, response) => listener(request, response));
    const port = await server.listen(config);
    closers.push(() => server.close(httpGraceMs));
    const url = config.publicUrl ?? `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;

    const stats = createStatsStore(plainDatabase);
    const metrics = createMetrics({
      stats,
      memory: (instanceId) => built.supervisor.memory(instanceId),
      freeBytes: () => freeBytes(config.dataDir),
      version,
      clock,
      log,
      withProcess: config.metricsToken !== null,
    });
    const database = metrics.watchDatabase(plainDatabase);
    // Before the schema is touched on which another works.
    await claim.assertFree();
    if (config.migrateAtStart) await database.migrate();
    else await database.assertMigrated();
    await claim.take();

    const whatsapp = await buildWhatsApp(config);
    const { sandbox } = whatsapp;
    if (sandbox) closers.push(() => sandbox.close());
    const common = { config, database, journal, stats, metrics, whatsapp, url, log };
    const onClose = (closer: () => Promise<unknown>) => void closers.push(closer);
    const built = await buildCore({
      ...common,
      port,
      clock,
      random,
      newId,
      onClose,
      ...(supervision && { supervision }),
    });
    // Jobs and browsers end together: a job that hangs on the database must not take the time that browsers need for their profiles.
    let jobs: Jobs | null = null;
    closers.push(() => Promise.all([jobs?.stop(), built.end()]));
    const koa = buildHttp({ ...common, built, isClosing: () => closing });

    const { core } = built;
    await ensureBootstrapToken(config, core);
    await built.start();
    jobs = startJobs(gatewayJobs({ ...built.jobs, clock }), log);
    const serve = koa.callback();
    listener = (request, response) => void serve(request, response);
    return { url, port, core, sandbox, close };
  }
}

async function ensureBootstrapToken(config: Config, { accounts, tokens }: AppCore): Promise<void> {
  const { bootstrapApiKey: key, bootstrapApiSecret: secret } = config;
  if (!key || !secret) return;
  const { id: accountId } = await accounts.first();
  await tokens.ensure({ accountId, key, secret, title: 'bootstrap' });
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => (done ??= work());
}
