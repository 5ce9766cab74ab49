import { Buffer } from 'node:buffer';
import { GatewayError } from '../model/errors.ts';
import { type Params, parsePairs } from './request.ts';

/** A file of a multipart form, as it stands among the parameters. */
export interface UploadedFile {
  filename: string;
  mimeType: string;
  data: Buffer;
}

/**
 * Returns the parameters in the bytes of a body: JSON, form, multipart, JSON or form under a wrong label.
 * @throws GatewayError malformed_body
 */
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

/** Returns the media type that a Content-Type names, without its parameters. */
export function labelOf(contentType: string): string {
  return contentType.split(';')[0]?.trim().toLowerCase() ?? '';
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
