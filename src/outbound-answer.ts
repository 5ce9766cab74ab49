import { isAscii } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { type ErrorCode, GatewayError } from './model/errors.ts';

/** Why a request failed, in words that may be shown: part of `GatewayError.details.failure`. */
type FetchFailure = 'timeout' | 'connection' | 'dns' | 'tls' | 'answer';

/** Returns the bytes as UTF-8, without a half character at the cut and without characters that a database refuses. */
export function cleanText(bytes: Buffer): string {
  // A decoder of its own costs more than everything else here, and most answers are plain.
  const text = isAscii(bytes) ? bytes.toString('latin1') : new TextDecoder().decode(bytes, { stream: true });
  return text.replaceAll('\0', '');
}

/** Yields a file's pieces; fails once they are too many, and in generic words when the connection does. @throws GatewayError too_large | fetch_failed */
export async function* limited(body: Readable, maxBytes: number, done: () => void): AsyncGenerator<Buffer> {
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

/** Returns why an answer is no file that may be taken, null when it is. */
export function refusalOf(answer: Dispatcher.ResponseData, maxBytes: number): GatewayError | null {
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

/** Returns a failed fetch; the cause is for the operator's log. */
export function failed(failure: FetchFailure, message: string, cause?: unknown): GatewayError {
  return new GatewayError('fetch_failed' satisfies ErrorCode, message, {
    details: { failure },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** How each failure is told. */
const failureWords: Record<Exclude<FetchFailure, 'answer'>, string> = {
  timeout: 'The address did not answer in time',
  connection: 'The connection to the address failed',
  dns: 'The host name could not be resolved',
  tls: 'The address has no valid certificate',
};

/** Returns the error in generic words; what really happened is its cause, for the operator's log. */
export function toFailure(error: unknown): GatewayError {
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

/** Returns the first value of a header. */
export function headerText(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** Returns the seconds that `Retry-After` names, as a number or a date. */
export function parseRetryAfter(value: string | string[] | undefined): number | undefined {
  const text = headerText(value)?.trim();
  if (!text) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - Date.now()) / 1000));
}

/** Returns the name in `Content-Disposition` (RFC 6266, `filename*` first), else the last part of the path when it looks like a file. */
export function filenameOf(disposition: string | string[] | undefined, url: URL): string | undefined {
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

/** Returns the failure of a request whose whole time is over. */
export function tooLate(): GatewayError {
  return failed('timeout', failureWords.timeout);
}
