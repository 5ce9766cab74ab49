import type { IncomingHttpHeaders } from 'node:http';
import type Joi from 'joi';
import type { Caller, TokenScope } from '../model/token.ts';

/** The HTTP methods a route may take; HEAD and OPTIONS are answered by the kit. */
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What a handler is given: input that joi has seen, and who asks. */
interface HandlerContext<T, C extends Caller | null = Caller> {
  input: T;
  caller: C;
  headers: IncomingHttpHeaders;
  /** The `Idempotency-Key` header, null without one. */
  idempotencyKey: string | null;
  /** Aborts when the client goes away before the answer. */
  signal: AbortSignal;
}

/** How large a body may be: `small` is 1 MiB, `media` carries files as base64 or as a form (`BODY_MAX_BYTES`). */
export type BodySize = 'small' | 'media';

interface RouteFacts<T> {
  method: Method | readonly Method[];
  /** A path of its own among all dialects, with `:name` parameters, e.g. `/api/instances/:id`. */
  path: string;
  /** One sentence for the API document. */
  summary: string;
  /** The least a token must be allowed: `send` for calls that a send-only token may make. */
  scope: TokenScope;
  /** Path parameters, query and body in one object; what it does not name is dropped. */
  body: Joi.ObjectSchema<T>;
  /** What `handle` returns, before the dialect's envelope, for the API document; the tests hold every answer against it. Null: nothing. */
  answer: Joi.Schema | null;
  /** The parameter that may be a very long list: its schema is `rows()`, and the body is not kept in memory. */
  rows?: string;
  /** The largest body it takes; absent: `small`. What comes as `rows` is counted apart. */
  maxBody?: BodySize;
  /** The name of a rate limit of the dialect; absent: `default`. */
  limit?: string;
  /** True when it changes nothing, so that HEAD may run it; absent: true for routes that are GET alone. */
  safe?: boolean;
}

/** A route as written in a dialect's table. */
type RouteSpec<T> =
  | (RouteFacts<T> & { auth?: 'required'; handle(context: HandlerContext<T>): unknown })
  | (RouteFacts<T> & { auth: 'guest'; handle(context: HandlerContext<T, Caller | null>): unknown });

/** A route as the kit runs it. */
export interface Route {
  methods: readonly Method[];
  path: string;
  summary: string;
  auth: 'required' | 'guest';
  scope: TokenScope;
  body: Joi.ObjectSchema;
  answer: Joi.Schema | null;
  maxBody: BodySize;
  limit: string;
  rows: string | null;
  safe: boolean;
  handle(context: HandlerContext<unknown, Caller | null>): unknown;
}

/** Returns one row of a route table; the input type comes from the schema, so that both cannot drift apart. */
export function route<T extends object>(spec: RouteSpec<T>): Route {
  const methods: readonly Method[] = typeof spec.method === 'string' ? [spec.method] : spec.method;
  return {
    methods,
    path: spec.path,
    summary: spec.summary,
    auth: spec.auth ?? 'required',
    scope: spec.scope,
    body: spec.body,
    answer: spec.answer,
    maxBody: spec.maxBody ?? 'small',
    limit: spec.limit ?? 'default',
    rows: spec.rows ?? null,
    safe: spec.safe ?? methods.every((method) => method === 'GET'),
    handle: (context) => spec.handle(context as HandlerContext<T>),
  };
}
