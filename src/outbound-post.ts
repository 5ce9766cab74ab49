import { Buffer } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';

/** The start of an answer. */
interface PostAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  /** The first bytes of the body. */
  start: Buffer;
}

/** One POST as it goes out. */
interface PostRequest {
  origin: string;
  path: string;
  headers: Record<string, string>;
  body: string | Buffer;
  /** For everything: connecting, asking, the answer with its body. */
  timeoutMs: number;
  headersTimeoutMs: number;
  bodyTimeoutMs: number;
  /** So much of the body is returned. */
  keepBytes: number;
  /** So much of it is read; then the connection is closed. */
  readBytes: number;
}

/**
 * Posts by undici's `dispatch` and returns the status with the start of the body. `request` would make a stream, a signal and an
 * iterator for each answer, which is a third of what a webhook costs. Once the status has come, a body that breaks off, hangs or
 * lies about its length changes nothing.
 * Rejects with `late()` when the time is over before the status, else with undici's error.
 */
export function dispatchPost(dispatcher: Dispatcher, request: PostRequest, late: () => Error): Promise<PostAnswer> {
  return new Promise((resolve, reject) => {
    let controller: Dispatcher.DispatchController | null = null;
    let answer: { status: number; headers: IncomingHttpHeaders } | null = null;
    let chunk: Buffer | null = null;
    let chunks: Buffer[] | null = null;
    let length = 0;
    let ended = false;
    const timer = setTimeout(() => end(late()), request.timeoutMs);

    /** The first call decides; a request that is still under way then is broken off. */
    function end(error: Error | null): void {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      if (error) controller?.abort(error);
      if (!answer) reject(error ?? new Error('the answer ended before it began'));
      else resolve({ ...answer, start: startOf(chunk, chunks).subarray(0, request.keepBytes) });
    }

    const { origin, path, headers, body } = request;
    dispatcher.dispatch(
      {
        origin,
        path,
        method: 'POST',
        headers,
        body,
        headersTimeout: request.headersTimeoutMs,
        bodyTimeout: request.bodyTimeoutMs,
      },
      {
        onRequestStart(made) {
          controller = made;
          // Its time was over while it waited for a connection.
          if (ended) made.abort(late());
        },
        onResponseStart(_, status, answerHeaders) {
          // 1xx is not the answer yet.
          if (status >= 200) answer = { status, headers: answerHeaders };
        },
        onResponseData(_, data) {
          if (ended) return;
          if (length < request.keepBytes) {
            if (!chunk) chunk = data;
            else (chunks ??= []).push(data);
          }
          length += data.length;
          if (length > request.readBytes) end(new Error('read enough'));
        },
        onResponseEnd: () => end(null),
        onResponseError: (_, error) => end(error),
      },
    );
  });
}

function startOf(first: Buffer | null, more: Buffer[] | null): Buffer {
  if (!first) return Buffer.alloc(0);
  return more ? Buffer.concat([first, ...more]) : first;
}
