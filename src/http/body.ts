import { Buffer } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { GatewayError } from '../model/errors.ts';
import { splitJson } from './json-rows.ts';
import { bytesOf, formParts } from './multipart.ts';
import { type Params, parsePairs } from './request.ts';
import type { BodySize } from './route.ts';
import { rowsOfSpool } from './rows.ts';
import { type Spool, createSpool } from './spool.ts';

/** A file of a multipart form, as it stands among the parameters. */
export interface UploadedFile {
  filename: string;
  mimeType: string;
  data: Buffer;
}

/** Reads request bodies; knows how many bytes are held in memory at the moment. */
export interface BodyReader {
  /**
   * Returns the parameters of the request's body, whatever the method: JSON, form, multipart, JSON or form under a wrong label.
   * @throws GatewayError too_large | malformed_body | unavailable (too many large bodies at the same time)
   */
  read(input: BodyRequest): Promise<Params>;
  /**
   * Returns the parameters of a body that may bring a very long list under `rows`: as JSON, a file of a multipart form, or a CSV
   * body that is the list itself. The list stands among the parameters as `Rows`, readable until the answer is sent.
   * @throws GatewayError too_large | malformed_body | unavailable
   */
  readRows(input: BodyRequest & { rows: string }): Promise<Params>;
}

/** A body that is to be read. */
interface BodyRequest {
  request: IncomingMessage;
  response: ServerResponse;
  maxBody: BodySize;
}

/** Where long lists are kept while they are read, and how large such a body may be. */
export interface UploadLimits {
  dir: string;
  maxBytes: number;
}

/** The largest body of calls that carry no file. */
const smallBytes = 1024 * 1024;
/** Bodies up to this size are read however much memory the others hold. */
const smallBodyBytes = 64 * 1024;
const maxUploads = 8;

/** Returns a reader with a cap on one body and a cap on all bodies that are held at the same time. */
export function createBodyReader(input: { maxBytes: number; totalBytes?: number; uploads?: UploadLimits }): BodyReader {
  const totalBytes = input.totalBytes ?? input.maxBytes * 8;
  const uploads = input.uploads ?? { dir: tmpdir(), maxBytes: input.maxBytes };
  let heldBytes = 0;
  let openUploads = 0;

  const sizes: Record<BodySize, number> = { small: Math.min(smallBytes, input.maxBytes), media: input.maxBytes };

  async function read({ request, response, maxBody }: BodyRequest): Promise<Params> {
    if (!hasBody(request)) return {};
    const maxBytes = sizes[maxBody];
    admit(request, response, maxBytes);

    let own = 0;
    response.once('close', () => (heldBytes -= own));
    const raw = await collect(request, (sizeBytes) => {
      own += sizeBytes;
      heldBytes += sizeBytes;
      if (own > maxBytes) throw tooLarge(maxBytes);
      if (heldBytes > totalBytes && own > smallBodyBytes)
        throw new GatewayError('unavailable', 'Too many large requests at the same time', { retryAfterSeconds: 2 });
    });
    return parseBody(raw, request.headers['content-type'] ?? '');
  }

  async function readRows({ request, response, maxBody, rows }: BodyRequest & { rows: string }): Promise<Params> {
    const label = labelOf(request.headers['content-type'] ?? '');
    if (!hasBody(request) || label === 'application/x-www-form-urlencoded')
      return await read({ request, response, maxBody });
    if (openUploads >= maxUploads)
      throw new GatewayError('unavailable', 'Too many large requests at the same time', { retryAfterSeconds: 2 });
    admit(request, response, uploads.maxBytes);
    openUploads += 1;
    response.once('close', () => (openUploads -= 1));
    const spool = await createSpool(piecesOf(request), { dir: uploads.dir, count: counter(uploads.maxBytes) });
    const release = () => void spool.release().catch(() => undefined);
    if (response.closed) release();
    else response.once('close', release);
    const contentType = request.headers['content-type'] ?? '';
    return await rowsParams(spool, { label, contentType, name: rows, maxBytes: sizes[maxBody] });
  }

  return { read, readRows };
}

/** Refuses what need not be read, and lets the rest come. */
function admit(request: IncomingMessage, response: ServerResponse, maxBytes: number): void {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new GatewayError('malformed_body', `The content encoding ${encoding} is not supported`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  acceptBody(request, response);
}

function counter(maxBytes: number): (sizeBytes: number) => void {
  let own = 0;
  return (sizeBytes) => {
    own += sizeBytes;
    if (own > maxBytes) throw tooLarge(maxBytes);
  };
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('too_large', `The request is larger than ${maxBytes} bytes`);
}

/** The request's bytes; a reader that stops early leaves the connection alone, so that the refusal can still be answered. */
async function* piecesOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new GatewayError('malformed_body', 'The request ended before its body was complete', { cause });
  }
}

async function rowsParams(
  spool: Spool,
  { label, contentType, name, maxBytes }: { label: string; contentType: string; name: string; maxBytes: number },
): Promise<Params> {
  if (/^(text|application)\/(csv|tab-separated-values|vnd\.ms-excel)$/.test(label))
    return { [name]: await rowsOfSpool(spool) };
  if (label === 'multipart/form-data') return await rowsOfForm(spool, { contentType, name, maxBytes });
  const { rest, list } = await splitJson(spool, name, maxBytes);
  const params = await parseBody(Buffer.from(rest), contentType);
  return list ? { ...params, [name]: await rowsOfSpool(spool, list.start, list.end) } : params;
}

async function rowsOfForm(
  spool: Spool,
  { contentType, name, maxBytes }: { contentType: string; name: string; maxBytes: number },
): Promise<Params> {
  const params = new Map<string, unknown>();
  for (const part of await formParts(spool, contentType)) {
    if (params.has(part.name)) continue;
    if (part.name === name) {
      params.set(name, await rowsOfSpool(spool, part.start, part.end));
      continue;
    }
    if (part.end - part.start > maxBytes) throw tooLarge(maxBytes);
    const data = await bytesOf(spool, part.start, part.end);
    const file: UploadedFile = { filename: part.filename ?? '', mimeType: part.mimeType, data };
    params.set(part.name, part.filename === null ? data.toString('utf8') : file);
  }
  return Object.fromEntries(params);
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

/** Returns the parameters in the bytes of a body. */
export async function parseBody(raw: Buffer, contentType: string): Promise<Params> {
  if (raw.length === 0) return {};
  const label = labelOf(contentType);
  if (label === 'multipart/form-data') return parseMultipart(raw, contentType);
  const text = decode(raw, contentType).replace(/^\uFEFF/, '');
  if (text.trim() === '') return {};

  const isForm = label === 'application/x-www-form-urlencoded';
  const json = isForm && !/^\s*[{[]/.test(text) ? undefined : tryJson(text);
  if (json !== undefined) return paramsOfJson(json);
  if (isForm || looksLikeForm(text)) return parsePairs(text);
  throw new GatewayError('malformed_body', 'The request body is neither JSON nor a form');
}

function labelOf(contentType: string): string {
  return contentType.split(';')[0]?.trim().toLowerCase() ?? '';
}

function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}

function awaitsContinue(request: IncomingMessage): boolean {
  return /100-continue/i.test(request.headers.expect ?? '');
}

/** Tells a client that waits for it (`Expect: 100-continue`) to send; until then its body has not cost anything. */
function acceptBody(request: IncomingMessage, response: ServerResponse): void {
  if (!awaitsContinue(request)) return;
  response.writeContinue();
  delete request.headers.expect;
}

function collect(request: IncomingMessage, count: (sizeBytes: number) => void): Promise<Buffer> {
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

function decode(raw: Buffer, contentType: string): string {
  const charset = /charset="?([\w-]+)/i.exec(contentType)?.[1];
  if (!charset || /^utf-?8$/i.test(charset)) return raw.toString('utf8');
  try {
    return new TextDecoder(charset).decode(raw);
  } catch (cause) {
    throw new GatewayError('malformed_body', `The character set ${charset} is not known`, { cause });
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A JSON list becomes the parameter `data`, as in Frappe 15. */
function paramsOfJson(json: unknown): Params {
  if (Array.isArray(json)) return { data: json };
  if (typeof json === 'object' && json !== null) return json as Params;
  throw new GatewayError('malformed_body', 'The request body must be a JSON object');
}

/** `name=value` pairs without the characters that a form always encodes: Frappe's OTP call labels such a body as JSON. */
function looksLikeForm(text: string): boolean {
  return /^[^=&\s{}[\]"<>]+=[^\s"<>{}]*$/.test(text.trim());
}

async function parseMultipart(raw: Buffer, contentType: string): Promise<Params> {
  const params = new Map<string, unknown>();
  let form: FormData;
  try {
    form = await new Response(new Uint8Array(raw), { headers: { 'content-type': contentType } }).formData();
  } catch (cause) {
    throw new GatewayError('malformed_body', 'The multipart form could not be read', { cause });
  }
  for (const [name, value] of form) {
    if (params.has(name)) continue;
    params.set(name, typeof value === 'string' ? value : await fileOf(value));
  }
  return Object.fromEntries(params);
}

async function fileOf(file: File): Promise<UploadedFile> {
  return { filename: file.name, mimeType: file.type, data: Buffer.from(await file.arrayBuffer()) };
}
