import { Buffer } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../model/errors.ts';

/** Says whether a request brings a body, whatever its method. */
export function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}

/** Tells a client that waits for it (`Expect: 100-continue`) to send; until then its body has not cost anything. */
export function acceptBody(request: IncomingMessage, response: ServerResponse): void {
  if (!awaitsContinue(request)) return;
  response.writeContinue();
  delete request.headers.expect;
}

/** Resolves to the whole body; `count` hears of each piece, and what it throws ends the reading. */
export function collect(request: IncomingMessage, count: (sizeBytes: number) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    function finish(error: Error | null) {
      request.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut);
      if (error) reject(error);
      else resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
    }
    function onData(chunk: Buffer) {
      try {
        count(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        request.pause();
        finish(error as Error);
      }
    }
    const onEnd = () => finish(null);
    const onCut = () => finish(new GatewayError('malformed_body', 'The request ended before its body was complete'));
    request.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut);
  });
}

/** The request's bytes; a reader that stops early leaves the connection alone, so that the refusal can still be answered. */
export async function* piecesOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new GatewayError('malformed_body', 'The request ended before its body was complete', { cause });
  }
}

/**
 * Sees to it that a client which is still sending can read the answer: on a connection that stays open Node reads on and throws
 * away; on one that closes, the rest is read here first (within limits), since closing with unread data resets the connection.
 */
export async function settleBody(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.complete || request.destroyed || !hasBody(request)) return;
  if (awaitsContinue(request)) {
    response.setHeader('Connection', 'close');
    return;
  }
  if (response.shouldKeepAlive) request.resume();
  else await discard(request, { maxBytes: 256 * 1024 * 1024, timeoutMs: 10_000 });
}

function awaitsContinue(request: IncomingMessage): boolean {
  return /100-continue/i.test(request.headers.expect ?? '');
}

function discard(request: IncomingMessage, limits: { maxBytes: number; timeoutMs: number }): Promise<void> {
  return new Promise((resolve) => {
    let left = limits.maxBytes;
    const timer = setTimeout(finish, limits.timeoutMs);
    function finish() {
      clearTimeout(timer);
      request.off('data', onData).off('end', finish).off('close', finish);
      resolve();
    }
    function onData(chunk: Buffer) {
      left -= chunk.length;
      if (left <= 0) finish();
    }
    request.on('data', onData).on('end', finish).on('close', finish);
    request.resume();
  });
}
