import { Buffer } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { GatewayError } from '../model/errors.ts';
import { type UploadedFile, labelOf, parseBody } from './body-params.ts';
import { acceptBody, collect, hasBody, piecesOf } from './body-stream.ts';
import { splitJson } from './json-rows.ts';
import { bytesOf, formParts } from './multipart.ts';
import type { Params } from './request.ts';
import type { BodySize } from './route.ts';
import { rowsOfSpool } from './rows.ts';
import { type Spool, createSpool } from './spool.ts';

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
