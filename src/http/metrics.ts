import { timingSafeEqual, createHash } from 'node:crypto';
import type { Middleware } from 'koa';
import { parseAuthorization } from './auth.ts';

/** What is behind `/metrics`. */
export interface MetricsSource {
  text(): Promise<string>;
  readonly contentType: string;
}

/**
 * Returns `GET /metrics` for who brings the token (`Authorization: Bearer …`). Without a token in the configuration nobody is
 * let in: behind a reverse proxy every caller comes from loopback, so an address proves nothing.
 */
export function createMetricsEndpoint(input: { source: MetricsSource; token: string | null }): Middleware {
  const expected = input.token === null ? null : digest(input.token);

  return async (ctx, next) => {
    if (ctx.path !== '/metrics' || !/^(GET|HEAD)$/.test(ctx.method)) return await next();
    ctx.set('Cache-Control', 'no-store');
    if (expected === null) return refuse(404, 'not_found', 'Metrics are off: METRICS_TOKEN is not set');
    const given = parseAuthorization(ctx.get('Authorization'));
    if (given.scheme !== 'bearer' || !timingSafeEqual(digest(given.token), expected)) {
      ctx.set('WWW-Authenticate', 'Bearer');
      return refuse(401, 'unauthenticated', 'Send the header Authorization: Bearer <METRICS_TOKEN>');
    }
    ctx.body = await input.source.text();
    ctx.set('Content-Type', input.source.contentType);

    function refuse(status: number, code: string, message: string): void {
      ctx.status = status;
      ctx.body = { message, error: message, code };
    }
  };
}

/** Digests are of one length, as the comparison in constant time wants it. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
