import { Readable } from 'node:stream';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import {
  cleanText,
  filenameOf,
  headerText,
  limited,
  parseRetryAfter,
  refusalOf,
  toFailure,
  tooLate,
} from './outbound-answer.ts';
import { connectTimeoutMs, createGuard, type GuardOptions } from './outbound-guard.ts';
import { dispatchPost } from './outbound-post.ts';

/** How the guarded fetch is set up. */
export interface OutboundOptions extends GuardOptions {
  /** Sent where the caller names none. */
  userAgent?: string;
}

/** What a receiver answered. */
interface PostResult {
  status: number;
  /** The first 1 KiB, as UTF-8; empty when a private address answered something else than 2xx (B3.6). */
  body: string;
  durationMs: number;
  /** From `Retry-After`, seconds or a date. */
  retryAfterSeconds?: number;
}

/** A file that is being fetched: the stream fails with a GatewayError when it grows too large or takes too long. */
interface Download {
  stream: Readable;
  /** As the server says; not to be trusted. */
  mimeType: string | null;
  filename?: string;
}

/** The one way out to addresses that users name: webhooks and media. */
export interface Outbound {
  /** Resolves when requests may go to the URL as its name resolves now. @throws GatewayError invalid_input | blocked_address | fetch_failed */
  assertAllowed(url: string): Promise<void>;
  /** Posts a body and returns the answer, whatever its status; redirects are not followed. @throws GatewayError blocked_address | fetch_failed */
  post(
    url: string,
    request: { body: string | Buffer; headers: Record<string, string>; timeoutMs: number },
  ): Promise<PostResult>;
  /** Fetches a file by GET; anything but 2xx fails. @throws GatewayError invalid_input | blocked_address | fetch_failed | too_large */
  download(url: string, limits: { maxBytes: number; timeoutMs: number }): Promise<Download>;
  /** Ends every connection at once. */
  close(): Promise<void>;
}

const connections = {
  pipelining: 1,
  // Every delivery has its own connection in reach: the lanes of the webhook worker are the limit, and two endpoints of one origin do not wait for each other.
  connections: 64,
  maxHeaderSize: 32 * 1024,
};
const keptBodyBytes = 1024;
const readBodyBytes = 64 * 1024;
const headersTimeoutMs = 15_000;
const maxKnownUrls = 500;
const bodyTimeoutMs = 5000;

/** Returns the guarded fetch. */
export function createOutbound(options: OutboundOptions): Outbound {
  const guard = createGuard(options);
  const { proxyUrl = null } = options;
  const agent =
    proxyUrl === null ? new Agent({ ...connections, connect: guard.connect }) : createProxyAgent(proxyUrl, connections);

  /** URLs that were found good: receivers are asked again and again. Whether an address may be dialled is decided when it is. */
  const known = new Map<string, { url: URL; path: string }>();

  function parsed(text: string): { url: URL; path: string } {
    const found = known.get(text);
    if (found) return found;
    const url = guard.parse(text);
    const made = { url, path: `${url.pathname}${url.search}` };
    if (known.size >= maxKnownUrls) known.clear();
    known.set(text, made);
    return made;
  }

  async function request(
    url: URL,
    init: {
      method: Dispatcher.HttpMethod;
      headers: Record<string, string>;
      signal: AbortSignal;
      timeoutMs: number;
    },
  ) {
    try {
      return await agent.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method: init.method,
        headers: options.userAgent ? { 'user-agent': options.userAgent, ...init.headers } : init.headers,
        signal: init.signal,
        headersTimeout: Math.max(headersTimeoutMs, init.timeoutMs),
        bodyTimeout: bodyTimeoutMs,
      });
    } catch (error) {
      throw toFailure(error);
    }
  }

  return {
    assertAllowed: async (text) => guard.assertAllowed(guard.parse(text)),

    async post(text, { body, headers, timeoutMs }) {
      const { url, path } = parsed(text);
      // No connection of ours shows where it led.
      if (proxyUrl !== null) await guard.assertAllowed(url);
      const startedAt = performance.now();
      const answer = await dispatchPost(
        agent,
        {
          origin: url.origin,
          path,
          headers: options.userAgent ? { 'user-agent': options.userAgent, ...headers } : headers,
          body,
          timeoutMs,
          headersTimeoutMs: Math.max(headersTimeoutMs, timeoutMs),
          bodyTimeoutMs,
          keepBytes: keptBodyBytes,
          readBytes: readBodyBytes,
        },
        tooLate,
      ).catch((error: unknown) => {
        throw toFailure(error);
      });
      const retryAfterSeconds = parseRetryAfter(answer.headers['retry-after']);
      const hidden = (answer.status < 200 || answer.status > 299) && guard.isPrivate(url.origin);
      return {
        status: answer.status,
        body: hidden || answer.start.length === 0 ? '' : cleanText(answer.start),
        durationMs: Math.round(performance.now() - startedAt),
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      };
    },

    async download(text, { maxBytes, timeoutMs }) {
      const url = guard.parse(text);
      if (proxyUrl !== null) await guard.assertAllowed(url);
      const deadline = createDeadline(timeoutMs);
      try {
        const answer = await request(url, {
          method: 'GET',
          headers: { accept: '*/*', 'accept-encoding': 'identity' },
          signal: deadline.signal,
          timeoutMs,
        });
        const problem = refusalOf(answer, maxBytes);
        if (problem) {
          answer.body.on('error', () => undefined).destroy();
          throw problem;
        }
        const filename = filenameOf(answer.headers['content-disposition'], url);
        return {
          stream: Readable.from(limited(answer.body, maxBytes, deadline.clear), { objectMode: false }),
          mimeType: headerText(answer.headers['content-type'])?.split(';')[0]?.trim().toLowerCase() || null,
          ...(filename ? { filename } : {}),
        };
      } catch (error) {
        deadline.clear();
        throw error;
      }
    },

    close: () => agent.destroy(),
  };
}

/** Everything goes through a tunnel of the proxy, `http:` too: what the proxy refuses is no answer of the receiver then. */
function createProxyAgent(uri: string, options: typeof connections): Dispatcher {
  const within = { timeout: connectTimeoutMs };
  return new ProxyAgent({ ...options, uri, proxyTls: within, requestTls: within });
}

/** Aborts everything that is left of a request when its whole time is over. */
function createDeadline(timeoutMs: number): { signal: AbortSignal; clear: () => void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(tooLate()), timeoutMs);
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}
