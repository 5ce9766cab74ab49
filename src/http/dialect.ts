import type { GatewayError } from '../model/errors.ts';
import type { Caller } from '../model/token.ts';
import type { WebhookDialect } from '../model/webhook.ts';
import type { Answer } from './answer.ts';
import type { JsonSchema } from './json-schema.ts';
import type { LimitState } from './limit.ts';
import type { ApiRequest, Params } from './request.ts';
import type { Route } from './route.ts';

/** Calls per minute: by client address for everybody, by token for each class of routes. */
interface DialectLimits {
  ip: number;
  /** `default` and whatever names the routes use. */
  token: { default: number } & Record<string, number>;
}

/** One published HTTP API over the core: its words, envelope, credentials and limits. The kit does the rest, in one order. */
export interface Dialect {
  /** `wapbridge`; the name in `/openapi/{name}.json` and in the webhook endpoints' column. */
  name: string;
  title: string;
  description: string;
  routes: readonly Route[];
  /** Tells whether a request that fits no route is this API's to refuse, in its envelope. */
  owns(request: ApiRequest): boolean;
  /**
   * Returns the path of the route table that a request means, where it differs from the path as sent. Asked once without
   * and, when no route was found, once more with the parameters (query and body).
   */
  locate?(request: ApiRequest, params?: Params): string | null;
  /**
   * Returns who asks, null for a guest (no credentials).
   * @throws GatewayError unauthenticated | malformed_body
   */
  authenticate(request: ApiRequest): Promise<Caller | null>;
  /** Returns the refusal of a guest; absent: `unauthenticated`. */
  refuseGuest?(request: ApiRequest): GatewayError;
  /** Returns the refusal of a request that fits no route; absent: `not_found`. */
  refuseUnknown?(request: ApiRequest, params: Params): GatewayError;
  success(result: unknown, request: ApiRequest): Answer;
  failure(error: GatewayError, request: ApiRequest): Answer;
  /** The same two as JSON Schemas, for the API document: the envelope around what a route answers (null: nothing), and around errors. */
  envelope: { success(answer: JsonSchema | null): JsonSchema; failure: JsonSchema };
  limits: DialectLimits;
  /** Returns the rate-limit headers of an answer: the source's own, or `ietfLimitHeaders`. */
  limitHeaders(state: LimitState): Record<string, string>;
  /** Bodies and headers of this API's webhooks. */
  webhooks: WebhookDialect;
  /** OpenAPI security schemes by name; any one of them will do. */
  securitySchemes: Record<string, object>;
}
