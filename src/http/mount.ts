import type { Context } from 'koa';
import type { Logger } from 'pino';
import { type ErrorCode, GatewayError, toGatewayError } from '../model/errors.ts';
import type { Caller } from '../model/token.ts';
import { type Answer, isRawAnswer } from './answer.ts';
import { settleBody } from './body-stream.ts';
import type { BodyReader } from './body.ts';
import type { Dialect } from './dialect.ts';
import { type LimitState, type Limiter, createLimiter, ipKey, tightest } from './limit.ts';
import type { ApiRequest, Params } from './request.ts';
import type { Route } from './route.ts';
import { type Match, createRouteTable } from './table.ts';

/** A dialect, ready to answer. */
export interface MountedDialect {
  dialect: Dialect;
  /** `route`: the request is in the route table; `space`: only this dialect could refuse it; null: it is another's. */
  claims(request: ApiRequest): 'route' | 'space' | null;
  /** Answers the request, whatever happens. */
  serve(ctx: Context, request: ApiRequest): Promise<void>;
}

/** What one request has come to be known by, for the answer's headers and the log. */
interface Progress {
  limits: LimitState[];
  caller: Caller | null;
  route: Route | null;
}

const maxIdempotencyKeyLength = 180;
/** What the operator must hear of, when it was not said on purpose. */
const outages: ReadonlySet<ErrorCode> = new Set(['storage_full', 'unavailable', 'outcome_unknown']);

/**
 * Turns a dialect into something that answers requests, always in one order: limit by IP → authenticate → limit by key → body →
 * joi → handle → success | failure. All of it in one try, so that a broken body or a 429 wears the dialect's own envelope too.
 */
export function mount(dialect: Dialect, deps: { bodies: BodyReader; log: Logger }): MountedDialect {
  const table = createRouteTable(dialect.routes);
  const ipLimiter = createLimiter({ policy: 'ip', perMinute: dialect.limits.ip, log: deps.log });
  const tokenLimiters = new Map<string, Limiter>();
  for (const [name, perMinute] of Object.entries(dialect.limits.token))
    tokenLimiters.set(name, createLimiter({ policy: name, perMinute, log: deps.log }));

  function match(request: ApiRequest, params?: Params): Match | null {
    return table.find(request.method, dialect.locate?.(request, params) ?? request.path);
  }

  function claims(request: ApiRequest): 'route' | 'space' | null {
    if (table.find(request.method, request.path)) return 'route';
    return match(request) || dialect.owns(request) ? 'space' : null;
  }

  async function serve(ctx: Context, request: ApiRequest): Promise<void> {
    const progress: Progress = { limits: [], caller: null, route: null };
    if (request.method === 'OPTIONS') {
      ctx.set('Allow', [...(match(request)?.allowed ?? ['GET', 'POST']), 'OPTIONS'].join(', '));
      ctx.status = 204;
      return;
    }
    let answer: Answer;
    try {
      const result = await respond(ctx, request, progress);
      answer = isRawAnswer(result) ? result : dialect.success(result, request);
    } catch (error) {
      answer = refuse(error, request);
      await settleBody(ctx.req, ctx.res);
    }
    const state = tightest(progress.limits);
    if (state) ctx.set(dialect.limitHeaders(state));
    ctx.state.token = progress.caller?.token.key;
    ctx.state.route = progress.route?.path;
    write(ctx, answer);
  }

  async function respond(ctx: Context, request: ApiRequest, progress: Progress): Promise<unknown> {
    await take(ipLimiter, ipKey(request.ip), progress);
    const known = await dialect.authenticate(request);
    const caller = known && { ...known, ip: request.ip };
    progress.caller = caller;
    let found = match(request);
    progress.route = found?.route ?? null;
    if (caller) await take(limiterOf(found?.route ?? null), caller.token.id, progress);

    // Where the body names the method, it is read before anything is known of it: as large as a method may ask for.
    const maxBody = caller ? (found?.route?.maxBody ?? 'media') : 'small';
    if (found?.route) checkAccess(found.route, caller, request);
    const rows = found?.route?.rows ?? null;
    const read = { request: ctx.req, response: ctx.res, maxBody };
    const body = rows === null ? deps.bodies.read(read) : deps.bodies.readRows({ ...read, rows });
    const params = { ...request.query, ...(await body) };
    found ??= match(request, params);
    if (!found) throw dialect.refuseUnknown?.(request, params) ?? new GatewayError('not_found');
    const route = found.route;
    progress.route = route;
    if (!route) throw new GatewayError('method_not_allowed', `Not permitted: ${request.method} is not allowed here`);
    checkAccess(route, caller, request);

    return await route.handle({
      input: validate(route, { ...params, ...found.params }),
      caller,
      headers: request.headers,
      idempotencyKey: idempotencyKeyOf(request),
      signal: signalOf(ctx),
    });
  }

  async function take(limiter: Limiter, key: string, progress: Progress): Promise<void> {
    const state = await limiter.take(key);
    if (!state) return;
    progress.limits.push(state);
    if (!state.exceeded) return;
    const retryAfterSeconds = Math.max(1, Math.ceil(state.resetMs / 1000));
    throw new GatewayError('rate_limited', `Too many requests: try again in ${retryAfterSeconds} s`, {
      retryAfterSeconds,
    });
  }

  function limiterOf(route: Route | null): Limiter {
    const limiter = tokenLimiters.get(route?.limit ?? 'default');
    if (!limiter) throw new Error(`${dialect.name} has no limit ${route?.limit}`);
    return limiter;
  }

  function checkAccess(route: Route, caller: Caller | null, request: ApiRequest): void {
    if (route.auth === 'guest') return;
    if (!caller) throw dialect.refuseGuest?.(request) ?? new GatewayError('unauthenticated', 'Credentials are needed');
    if (caller.token.scope === 'send' && route.scope !== 'send')
      throw new GatewayError('forbidden', 'This token may only send');
  }

  function refuse(error: unknown, request: ApiRequest): Answer {
    const failure = toGatewayError(error);
    if (failure.code === 'internal_error' || (outages.has(failure.code) && failure.cause !== undefined))
      deps.log.error({ err: failure.cause ?? failure, requestId: request.id }, 'request failed');
    const answer = dialect.failure(failure, request);
    if (failure.retryAfterSeconds === undefined) return answer;
    return { ...answer, headers: { 'Retry-After': String(failure.retryAfterSeconds), ...answer.headers } };
  }

  return { dialect, claims, serve };
}

/**
 * Returns the route's input, converted, without what the schema does not name.
 * @throws GatewayError invalid_input; `details`: field → sentence
 */
function validate(route: Route, params: Params): unknown {
  const { value, error } = route.body.validate(params, {
    abortEarly: false,
    stripUnknown: true,
    errors: { wrap: { label: false } },
  }) as {
    value: unknown;
    error?: { details: { message: string; path: (string | number)[] }[] };
  };
  if (!error) return value;
  const fields = error.details.map((problem) => [problem.path.join('.') || 'body', problem.message] as const);
  throw new GatewayError('invalid_input', fields.map(([, message]) => message).join('; '), {
    details: Object.fromEntries(fields),
  });
}

function idempotencyKeyOf(request: ApiRequest): string | null {
  const key = request.headers['idempotency-key'];
  if (typeof key !== 'string' || key === '') return null;
  if (key.length > maxIdempotencyKeyLength)
    throw new GatewayError('invalid_input', `The Idempotency-Key is longer than ${maxIdempotencyKeyLength} characters`);
  return key;
}

function signalOf(ctx: Context): AbortSignal {
  const controller = new AbortController();
  ctx.res.once('close', () => {
    if (!ctx.res.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** Writes the answer; Koa leaves the body out for HEAD. */
function write(ctx: Context, answer: Answer): void {
  if (answer.headers) ctx.set(answer.headers);
  ctx.status = answer.status;
  if (answer.body === undefined) {
    ctx.body = null;
    ctx.status = answer.status;
    return;
  }
  const isJson = typeof answer.body !== 'string' && !(answer.body instanceof Uint8Array);
  ctx.type =
    answer.contentType ??
    (isJson ? 'application/json' : typeof answer.body === 'string' ? 'text/plain' : 'application/octet-stream');
  ctx.body = isJson ? JSON.stringify(answer.body) : answer.body;
}
