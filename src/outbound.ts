import { promises as dns, type LookupAddress, type LookupOptions } from 'node:dns';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import {
  blocked,
  createAddressFilter,
  isLocalhost,
  isPublicAddress,
  loopbacks,
  type AddressRules,
} from './model/address.ts';
import { type ErrorCode, GatewayError } from './model/errors.ts';
import { dispatchPost } from './outbound-post.ts';

/** How the guarded fetch is set up. */
export interface OutboundOptions extends AddressRules {
  /** Never reached, whatever the networks allow: the gateway's own listener, the database. Addresses, not names. */
  denyTargets?: readonly { address: string; port: number }[];
  /** Resolves a host name; the machine's resolver by default. */
  lookup?: (hostname: string) => Promise<LookupAddress[]>;
  connectTimeoutMs?: number;
  /** Sent where the caller names none. */
  userAgent?: string;
}

/** What a receiver answered. */
export interface PostResult {
  status: number;
  /** The first 1 KiB, as UTF-8; empty when a private address answered something else than 2xx (B3.6). */
  body: string;
  durationMs: number;
  /** From `Retry-After`, seconds or a date. */
  retryAfterSeconds?: number;
}

/** A file that is being fetched: the stream fails with a GatewayError when it grows too large or takes too long. */
export interface Download {
  stream: Readable;
  /** As the server says; not to be trusted. */
  mimeType: string | null;
  filename?: string;
}

/** Why a request failed, in words that may be shown: part of `GatewayError.details.failure`. */
export type FetchFailure = 'timeout' | 'connection' | 'dns' | 'tls' | 'answer';

/** The one way out to addresses that users name: webhooks and media (delivery.md B3). */
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

const keptBodyBytes = 1024;
const readBodyBytes = 64 * 1024;
const headersTimeoutMs = 15_000;
const maxKnownUrls = 500;
const bodyTimeoutMs = 5000;

/** Returns the guarded fetch. */
export function createOutbound(options: OutboundOptions): Outbound {
  const filter = createAddressFilter(options);
  const lookup = options.lookup ?? ((hostname: string) => dns.lookup(hostname, { all: true, verbatim: true }));
  const denied = new Set(options.denyTargets?.map(({ address, port }) => `${address} ${port}`));
  const agent = new Agent({
    connect: createGuardedConnect(),
    pipelining: 1,
    // Every delivery has its own connection in reach: the lanes of the webhook worker are the limit, and two endpoints of one origin do not wait for each other.
    connections: 64,
    maxHeaderSize: 32 * 1024,
  });

  /** URLs that were found good: receivers are asked again and again. Whether an address may be dialled is decided when it is. */
  const known = new Map<string, { url: URL; path: string }>();

  function parsed(text: string): { url: URL; path: string } {
    const found = known.get(text);
    if (found) return found;
    const url = filter.parse(text);
    const made = { url, path: `${url.pathname}${url.search}` };
    if (known.size >= maxKnownUrls) known.clear();
    known.set(text, made);
    return made;
  }

  /** Returns the addresses of a host; one bad address among them spoils all (B3.3). */
  async function resolve(hostname: string): Promise<LookupAddress[]> {
    if (isLocalhost(hostname)) {
      const found = loopbacks
        .filter(filter.isAllowed)
        .map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      if (found.length === 0) throw blocked(hostname);
      return found;
    }
    const found = await lookup(hostname).catch((error: unknown) => {
      throw failed('dns', 'The host name could not be resolved', error);
    });
    if (found.length === 0) throw failed('dns', 'The host name could not be resolved');
    const bad = found.find(({ address }) => !filter.isAllowed(address));
    if (bad) throw blocked(`${hostname} resolves to ${bad.address}`);
    return found;
  }

  /** The `lookup` of net.connect: what is checked here is what is dialled, so a second answer of DNS changes nothing. */
  function guardedLookup(
    hostname: string,
    { all }: LookupOptions,
    done: (error: Error | null, address: string | LookupAddress[], family?: number) => void,
  ): void {
    void answer(); // It does not reject: errors go to `done`.
    async function answer() {
      const found = await resolve(hostname).catch((error: Error) => error);
      if (found instanceof Error) done(found, '');
      else if (all) done(null, found);
      else done(null, found[0]?.address ?? '', found[0]?.family);
    }
  }

  /** Opens connections: literals are checked before (no lookup is made for them), the peer's address after, before a byte is written. */
  function createGuardedConnect(): buildConnector.connector {
    const connect = buildConnector({
      timeout: options.connectTimeoutMs ?? 5000,
      lookup: guardedLookup,
    } as buildConnector.BuildOptions);
    return (target, done) => {
      const literal = filter.literalOf(new URL(`${target.protocol}//${target.host ?? target.hostname}`));
      if (literal !== null && !filter.isAllowed(literal)) {
        done(blocked(literal), null);
        return;
      }
      connect(target, (error, socket) => {
        if (error) return done(error, null);
        const { remoteAddress, remotePort } = socket as Socket;
        const peer = remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, '');
        if (peer === undefined || !filter.isAllowed(peer) || denied.has(`${peer} ${remotePort}`)) {
          socket.destroy();
          return done(blocked(`connected to ${peer ?? 'nobody'}`), null);
        }
        if (!isPublicAddress(peer)) privateOrigins.add(originOf(target));
        return done(null, socket);
      });
    };
  }

  /** Origins that answered from an allow-listed private address: the text of their refusals is not shown. */
  const privateOrigins = new Set<string>();

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
    async assertAllowed(text) {
      const url = filter.parse(text);
      const literal = filter.literalOf(url);
      const addresses = literal === null ? await resolve(url.hostname) : [{ address: literal }];
      const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
      if (addresses.some(({ address }) => denied.has(`${address} ${port}`))) throw blocked(text);
    },

    async post(text, { body, headers, timeoutMs }) {
      const { url, path } = parsed(text);
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
      const hidden = (answer.status < 200 || answer.status > 299) && privateOrigins.has(url.origin);
      return {
        status: answer.status,
        body: hidden || answer.start.length === 0 ? '' : cleanText(answer.start),
        durationMs: Math.round(performance.now() - startedAt),
        ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
      };
    },

    async download(text, { maxBytes, timeoutMs }) {
      const url = filter.parse(text);
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

/** Aborts everything that is left of a request when its whole time is over. */
function createDeadline(timeoutMs: number): { signal: AbortSignal; clear: () => void } {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(tooLate()), timeoutMs);
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}

function tooLate(): GatewayError {
  return failed('timeout', failureWords.timeout);
}

/** UTF-8 without a half character at the cut and without characters that a database refuses. */
function cleanText(bytes: Buffer): string {
  return new TextDecoder().decode(bytes, { stream: true }).replaceAll('\0', '');
}

async function* limited(body: Readable, maxBytes: number, done: () => void): AsyncGenerator<Buffer> {
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBytes) throw tooLarge(maxBytes);
      yield chunk;
    }
  } catch (error) {
    throw toFailure(error);
  } finally {
    done();
  }
}

function refusalOf(answer: Dispatcher.ResponseData, maxBytes: number): GatewayError | null {
  if (answer.statusCode >= 300 && answer.statusCode < 400)
    return failed('answer', 'The address answered with a redirect, which is not followed');
  if (answer.statusCode < 200 || answer.statusCode > 299)
    return failed('answer', `The address answered with status ${answer.statusCode}`);
  if (!/^(identity)?$/i.test(headerText(answer.headers['content-encoding']) ?? ''))
    return failed('answer', 'The address answered in an encoding that was not asked for');
  return Number(headerText(answer.headers['content-length']) ?? 0) > maxBytes ? tooLarge(maxBytes) : null;
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('too_large', `The file is larger than ${maxBytes} bytes`);
}

function failed(failure: FetchFailure, message: string, cause?: unknown): GatewayError {
  return new GatewayError('fetch_failed' satisfies ErrorCode, message, {
    details: { failure },
    ...(cause === undefined ? {} : { cause }),
  });
}

const failureWords: Record<Exclude<FetchFailure, 'answer'>, string> = {
  timeout: 'The address did not answer in time',
  connection: 'The connection to the address failed',
  dns: 'The host name could not be resolved',
  tls: 'The address has no valid certificate',
};

/** Returns the error in generic words; what really happened is its cause, for the operator's log. */
function toFailure(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const cause = error as { code?: string; cause?: unknown; errors?: unknown[] };
  if (cause.cause instanceof GatewayError) return cause.cause;
  const code = cause.code ?? '';
  const failure = /TIMEOUT|ETIMEDOUT/.test(code)
    ? 'timeout'
    : /CERT|TLS|SSL|SIGNATURE/.test(code)
      ? 'tls'
      : 'connection';
  return failed(failure, failureWords[failure], error);
}

function originOf(target: buildConnector.Options): string {
  return new URL(`${target.protocol}//${target.host ?? target.hostname}`).origin;
}

function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function parseRetryAfter(value: string | string[] | undefined): number | undefined {
  const text = headerText(value)?.trim();
  if (!text) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}

/** The name in `Content-Disposition` (RFC 6266, `filename*` first), else the last part of the path when it looks like a file. */
function filenameOf(disposition: string | string[] | undefined, url: URL): string | undefined {
  const text = headerText(disposition) ?? '';
  const extended = /filename\*\s*=\s*utf-8''([^;]+)/i.exec(text)?.[1];
  if (extended) return decode(extended.trim());
  const plain = /filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]+))/i.exec(text);
  if (plain) return (plain[1]?.replace(/\\(.)/g, '$1') ?? plain[2] ?? '').trim();
  const last = url.pathname.split('/').at(-1) ?? '';
  return /\.\w{1,8}$/.test(last) ? decode(last) : undefined;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
