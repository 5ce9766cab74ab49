import type { Context } from 'koa';

const exposedHeaders =
  'X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-RateLimit-Used, RateLimit, RateLimit-Policy, Retry-After';
const maxAgeSeconds = 86_400;

/**
 * Returns a function that sets the CORS headers for allowed origins and tells whether it has answered a preflight. The origin is
 * echoed and credentials are allowed, since frappe-js-sdk sends `withCredentials` (frappe-wire 1.5); API answers set no cookies.
 */
export function createCors(origins: readonly string[]): (ctx: Context) => boolean {
  const any = origins.includes('*');
  const allowed = new Set(origins);

  return (ctx) => {
    if (origins.length > 0) ctx.vary('Origin');
    const origin = ctx.get('Origin');
    if (!origin || !(any || allowed.has(origin))) return false;
    ctx.set('Access-Control-Allow-Origin', origin);
    ctx.set('Access-Control-Allow-Credentials', 'true');
    const wanted = ctx.get('Access-Control-Request-Method');
    if (ctx.method !== 'OPTIONS' || !wanted) {
      ctx.set('Access-Control-Expose-Headers', exposedHeaders);
      return false;
    }
    ctx.set('Access-Control-Allow-Methods', wanted);
    const headers = ctx.get('Access-Control-Request-Headers');
    if (headers) ctx.set('Access-Control-Allow-Headers', headers);
    ctx.set('Access-Control-Max-Age', String(maxAgeSeconds));
    ctx.status = 204;
    return true;
  };
}
