import type { IncomingHttpHeaders } from 'node:http';

/** Parameters as they came: text from queries and forms, anything from JSON. */
export type Params = Record<string, unknown>;

/** What a dialect is told of a request before its body is read. */
export interface ApiRequest {
  /** The request id, also in `X-Request-Id`. */
  id: string;
  /** As sent: upper case. */
  method: string;
  /** The path as sent, percent-encoding included. */
  path: string;
  /** The first value of each query parameter. */
  query: Params;
  headers: IncomingHttpHeaders;
  /** The client's address, behind trusted proxies the forwarded one. */
  ip: string;
}

/** Returns the parameters of a query or form text: the first value of each name, as Frappe takes them. */
export function parsePairs(text: string): Params {
  const params = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) if (!params.has(name)) params.set(name, value);
  return Object.fromEntries(params);
}
