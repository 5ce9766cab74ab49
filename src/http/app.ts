import { randomUUID } from 'node:crypto';
import Koa, { type Context, type Next } from 'koa';
import type { Logger } from 'pino';
import { type UploadLimits, createBodyReader } from './body.ts';
import { createClientIp } from './client-ip.ts';
import { createCors } from './cors.ts';
import type { Dialect } from './dialect.ts';
import { type HealthSource, createHealth } from './health.ts';
import { type MediaOpener, createMediaDownload } from './media.ts';
import { type MetricsSource, createMetricsEndpoint } from './metrics.ts';
import { type MountedDialect, mount } from './mount.ts';
import { openapiDocument } from './openapi.ts';
import { type ApiRequest, parsePairs } from './request.ts';
import { securityHeaders } from './security-headers.ts';

/** What the HTTP side is made of. */
interface HttpAppDeps {
  dialects: readonly Dialect[];
  media: MediaOpener;
  health: HealthSource;
  /** Absent: nothing is measured, and there is no `/metrics`. */
  metrics?: {
    source: MetricsSource;
    /** Who brings it may read them; null: nobody may. */
    token: string | null;
    requestEnded(request: { route: string | null; status: number; durationMs: number }): void;
  };
  log: Logger;
  /** The gateway's version, for API documents. */
  version: string;
  /** The address by which others reach the gateway, for API documents. */
  publicUrl(): string;
  bodyMaxBytes: number;
  /** Absent: no list may be longer than a body. */
  uploads?: UploadLimits;
  corsOrigins: readonly string[];
  trustProxy: readonly string[];
}

/**
 * Returns the Koa application: request id, security headers, access log, health, media, API documents, then the dialects; what is
 * nobody's goes on to middleware added later and ends as a 404 in JSON. Nothing here redirects.
 */
export function createHttpApp(deps: HttpAppDeps): Koa {
  const app = new Koa();
  const clientIp = createClientIp(deps.trustProxy);
  const cors = createCors(deps.corsOrigins);
  const bodies = createBodyReader({ maxBytes: deps.bodyMaxBytes, ...(deps.uploads && { uploads: deps.uploads }) });
  const described = new Map<Dialect, object>();
  const mounted = deps.dialects.map((dialect) => mount(dialect, { bodies, log: deps.log }));

  async function guard(ctx: Context, next: Next): Promise<void> {
    const startedAt = performance.now();
    ctx.state.requestId = requestIdOf(ctx.get('X-Request-Id'));
    ctx.state.ip = clientIp(ctx.req);
    ctx.set(securityHeaders(deps.publicUrl()));
    ctx.set('X-Request-Id', ctx.state.requestId);
    ctx.res.once('close', () => logAccess(ctx, performance.now() - startedAt));
    try {
      await next();
      if (ctx.status === 404 && ctx.body === undefined) refuse(ctx, 404, 'not_found', 'Not found');
    } catch (error) {
      deps.log.error({ err: error, requestId: ctx.state.requestId }, 'request failed');
      refuse(ctx, 500, 'internal_error', 'Internal error');
    }
  }

  /** One line a request; queries and bodies hold numbers and texts of messages, so they stay out. */
  function logAccess(ctx: Context, durationMs: number): void {
    const status = ctx.res.writableFinished ? ctx.status : 499;
    deps.metrics?.requestEnded({ route: ctx.state.route ?? null, status, durationMs });
    // Monitors ask every few seconds.
    const level = /^\/(healthz|readyz|metrics)$/.test(ctx.path) && status < 500 ? 'debug' : 'info';
    deps.log[level](
      {
        requestId: ctx.state.requestId,
        method: ctx.method,
        path: ctx.state.route ?? ctx.path,
        status,
        durationMs: Math.round(durationMs * 10) / 10,
        ip: ctx.state.ip,
        token: ctx.state.token,
      },
      'request',
    );
  }

  async function documents(ctx: Context, next: Next): Promise<void> {
    const name = /^\/openapi\/([\w-]+)\.json$/.exec(ctx.path)?.[1];
    const dialect = deps.dialects.find((candidate) => candidate.name === name);
    if (!dialect || !/^(GET|HEAD)$/.test(ctx.method)) return await next();
    cors(ctx);
    const document =
      described.get(dialect) ?? openapiDocument(dialect, { version: deps.version, serverUrl: deps.publicUrl() });
    described.set(dialect, document);
    ctx.body = document;
  }

  async function dialects(ctx: Context, next: Next): Promise<void> {
    const request: ApiRequest = {
      id: ctx.state.requestId,
      method: ctx.method,
      path: ctx.path,
      query: parsePairs(ctx.querystring),
      headers: ctx.req.headers,
      ip: ctx.state.ip,
    };
    const owner = ownerOf(mounted, request);
    if (!owner) return await next();
    if (cors(ctx)) return;
    ctx.set('Cache-Control', 'no-store');
    await owner.serve(ctx, request);
  }

  const middlewares = [
    guard,
    createHealth(deps.health),
    ...(deps.metrics ? [createMetricsEndpoint(deps.metrics)] : []),
    createMediaDownload(deps.media),
    documents,
    dialects,
  ];
  for (const middleware of middlewares) app.use(middleware);
  app.on('error', (error: NodeJS.ErrnoException) => deps.log.debug({ err: error }, 'connection broke'));
  return app;
}

/** A route outweighs a prefix: only what nobody has a route for is refused by the owner of its prefix. */
function ownerOf(mounted: readonly MountedDialect[], request: ApiRequest): MountedDialect | undefined {
  return (
    mounted.find((entry) => entry.claims(request) === 'route') ??
    mounted.find((entry) => entry.claims(request) !== null)
  );
}

function refuse(ctx: Context, status: number, code: string, message: string): void {
  ctx.status = status;
  ctx.body = { message, error: message, code };
}

/** A caller's own id is taken over when it is harmless in headers and logs. */
function requestIdOf(header: string): string {
  return /^[\w.:-]{1,64}$/.test(header) ? header : randomUUID();
}
