import { randomUUID } from 'node:crypto';
import Koa, { type Context, type Next } from 'koa';
import type { Logger } from 'pino';
import { type UploadLimits, createBodyReader } from './body.ts';
import { createClientIp } from './client-ip.ts';
import { createCors } from './cors.ts';
import type { Dialect } from './dialect.ts';
import { type HealthChecks, createHealth } from './health.ts';
import { type MediaOpener, createMediaDownload } from './media.ts';
import { type MountedDialect, mount } from './mount.ts';
import { openapiDocument } from './openapi.ts';
import { type ApiRequest, parsePairs } from './request.ts';

/** What the HTTP side is made of. */
export interface HttpAppDeps {
  dialects: readonly Dialect[];
  media: MediaOpener;
  health: HealthChecks;
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
  const mounted = deps.dialects.map((dialect) => mount(dialect, { bodies, log: deps.log }));

  async function guard(ctx: Context, next: Next): Promise<void> {
    const startedAt = performance.now();
    ctx.state.requestId = requestIdOf(ctx.get('X-Request-Id'));
    ctx.state.ip = clientIp(ctx.req);
    ctx.set({
      'X-Request-Id': ctx.state.requestId,
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      'Referrer-Policy': 'no-referrer',
    });
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
    deps.log.info(
      {
        requestId: ctx.state.requestId,
        method: ctx.method,
        path: ctx.state.route ?? ctx.path,
        status: ctx.res.writableFinished ? ctx.status : 499,
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
    ctx.body = openapiDocument(dialect, { version: deps.version, serverUrl: deps.publicUrl() });
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

  for (const middleware of [guard, createHealth(deps.health), createMediaDownload(deps.media), documents, dialects])
    app.use(middleware);
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
