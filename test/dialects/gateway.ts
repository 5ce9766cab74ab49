import { tmpdir } from 'node:os';
import { pino } from 'pino';
import { createDialects } from '../../src/dialects/index.ts';
import { createMetrics } from '../../src/core/metrics/metrics.ts';
import { createHttpApp } from '../../src/http/app.ts';
import type { HealthSource } from '../../src/http/health.ts';
import { type HttpServer, type ServerTimeouts, createHttpServer } from '../../src/http/server.ts';
import type { Instance } from '../../src/model/instance.ts';
import type { StatsStore } from '../../src/store/stats.ts';
import { assertDescribed } from '../support/answers.ts';
import { type FakeCore, createFakeCore, credentials } from './fake-core.ts';

/** The HTTP side on a loopback port over the fake core. */
export interface TestGateway {
  url: string;
  port: number;
  core: FakeCore;
  http: HttpServer;
  /** Every log line, parsed. */
  logLines(): Record<string, unknown>[];
  close(): Promise<void>;
}

/** What a test may want different. */
export interface TestGatewayOptions {
  instances?: Instance[];
  rateLimitPerMinute?: number;
  bodyMaxBytes?: number;
  uploadMaxBytes?: number;
  corsOrigins?: string[];
  trustProxy?: string[];
  timeouts?: Partial<ServerTimeouts>;
  readyCheck?: () => Promise<unknown>;
  metricsToken?: string | null;
  health?: Partial<HealthSource>;
}

/** Starts the HTTP side; every test has its own. */
export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const core = createFakeCore(options.instances);
  const dialects = createDialects({
    core,
    log,
    version: '0.1.0',
    rateLimitPerMinute: options.rateLimitPerMinute ?? 100_000,
    syncSendTimeoutMs: 15_000,
    defaultCountry: null,
  });
  const metrics = createMetrics({
    stats: noStats,
    memory: () => null,
    freeBytes: () => Promise.resolve(1),
    version: '0.1.0',
    clock: { now: Date.now },
    log,
    withProcess: false,
  });
  const app = createHttpApp({
    dialects,
    media: core.media,
    health: { checks: { database: options.readyCheck ?? (() => Promise.resolve()) }, ...options.health },
    metrics: { source: metrics, token: options.metricsToken ?? null, requestEnded: metrics.requestEnded },
    log,
    version: '0.1.0',
    publicUrl: () => 'http://gateway.test',
    bodyMaxBytes: options.bodyMaxBytes ?? 36 * 1024 * 1024,
    uploads: { dir: tmpdir(), maxBytes: options.uploadMaxBytes ?? 36 * 1024 * 1024 },
    corsOrigins: options.corsOrigins ?? [],
    trustProxy: options.trustProxy ?? [],
  });
  const http = createHttpServer(app.callback(), options.timeouts);
  const port = await http.listen({ host: '127.0.0.1', port: 0 });
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    core,
    http,
    logLines: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
    close: () => http.close(200),
  };
}

/** The HTTP side has no database. */
const noStats: StatsStore = {
  instances: () => Promise.resolve([]),
  queues: () => Promise.resolve([]),
  campaigns: () => Promise.resolve({ byState: {}, waiting: 0 }),
  webhooks: () =>
    Promise.resolve({
      endpoints: { working: 0, failing: 0, open: 0, disabled: 0 },
      waiting: { pending: 0, retry: 0 },
      oldestAt: null,
    }),
};

/** Returns the `Authorization` header value of one of the fake core's tokens. */
export function tokenOf(name: keyof typeof credentials): string {
  const { key, secret } = credentials[name];
  return `token ${key}:${secret}`;
}

/** An answer with its body read. */
export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  // Envelopes are looked into freely; an unexpected shape fails the assertion that reads it.
  // eslint-disable-next-line typescript/no-explicit-any
  body: any;
}

/** Returns the answer to one request, never following a redirect. */
export async function request(url: string, init: RequestInit = {}): Promise<Reply> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const text = await response.text();
  let body: unknown = null;
  try {
    body = JSON.parse(text);
  } catch {
    // Images, texts and empty answers have no JSON.
  }
  assertDescribed(new URL(url).pathname, { status: response.status, body });
  return { status: response.status, headers: response.headers, text, body };
}

/** Returns the answer to an RPC with a JSON body. */
export async function rpc(
  gateway: TestGateway,
  method: string,
  body: object,
  init: { token?: keyof typeof credentials | null; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const token = init.token === undefined ? 'full' : init.token;
  return await request(`${gateway.url}/api/method/${method}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(token !== null && { Authorization: tokenOf(token) }),
      ...init.headers,
    },
    body: JSON.stringify(body),
  });
}
