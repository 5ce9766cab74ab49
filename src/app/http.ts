import type Koa from 'koa';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../settings.ts';
import { countInstances, createHealthChecks } from '../core/health.ts';
import type { Metrics } from '../core/metrics/metrics.ts';
import type { Supervisor } from '../core/supervisor.ts';
import { createDialects } from '../dialects/index.ts';
import { createHttpApp } from '../http/app.ts';
import { accountCaller } from '../model/token.ts';
import { type SandboxInstances, createSandboxControl } from '../sandbox/control.ts';
import type { Database } from '../store/database.ts';
import type { StatsStore } from '../store/stats.ts';
import { version } from '../version.ts';
import type { AppCore, BuiltCore } from './core.ts';
import type { WhatsAppParts } from './whatsapp.ts';

interface HttpParts {
  config: Config;
  built: BuiltCore;
  whatsapp: WhatsAppParts;
  database: Database;
  stats: StatsStore;
  metrics: Metrics;
  url: string;
  isClosing: () => boolean;
  log: Logger;
}

/** Wires the HTTP side: every dialect, media, health, metrics, and the simulator of the sandbox. */
export function buildHttp({ config, built, whatsapp, database, stats, metrics, url, isClosing, log }: HttpParts): Koa {
  const { core, supervisor, media } = built;
  const koa = createHttpApp({
    dialects: createDialects({
      core,
      log,
      version,
      rateLimitPerMinute: config.rateLimitPerMinute,
      syncSendTimeoutMs: config.syncSendTimeoutMs,
      defaultCountry: config.defaultCountry,
    }),
    media,
    health: {
      checks: createHealthChecks({
        database,
        dataDir: config.dataDir,
        minFreeBytes: config.minFreeDiskMb * 1024 * 1024,
        browserProblem: whatsapp.browsers.problem,
      }),
      isClosing,
      instances: () => countInstances(stats),
    },
    metrics: { source: metrics, token: config.metricsToken, requestEnded: metrics.requestEnded },
    log,
    version,
    publicUrl: () => url,
    bodyMaxBytes: config.bodyMaxBytes,
    uploads: { dir: join(config.dataDir, 'uploads'), maxBytes: config.uploadMaxBytes },
    corsOrigins: config.corsOrigins,
    trustProxy: config.trustProxy,
  });
  if (whatsapp.sandbox) {
    const control = createSandboxControl({ sandbox: whatsapp.sandbox, instances: sandboxView(core, supervisor) });
    koa.use(control.routes()).use(control.allowedMethods());
  }
  return koa;
}

/** What the phone simulator sees of the instances: those of the first account. */
function sandboxView({ accounts, instances }: AppCore, supervisor: Supervisor): SandboxInstances {
  return {
    async list() {
      const all = await instances.list(accountCaller((await accounts.first()).id));
      return all.map((instance) => ({
        instanceId: instance.id,
        status: instance.state,
        ...(instance.phone ? { phone: instance.phone } : {}),
      }));
    },
    qr: (instanceId) => Promise.resolve(supervisor.qr(instanceId)?.code ?? null),
  };
}
