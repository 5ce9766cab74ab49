import type { RouterContext } from '@koa/router';
import { isIP } from 'node:net';

/** A request that cannot be answered as it is. */
export class ControlError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The fields of a request. */
export type Fields = Record<string, unknown>;

const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** Refuses names that another site could point at this machine, and requests that another site's page makes. @throws ControlError 403 */
export function guard(ctx: RouterContext, hosts: string[]): void {
  const name = ctx.hostname.replace(/^\[|\]$/g, '');
  if (isIP(name) === 0 && name !== 'localhost' && !name.endsWith('.localhost') && !hosts.includes(name)) {
    throw new ControlError(403, `The sandbox does not answer to the host name "${name}"`);
  }
  const origin = ctx.get('Origin');
  if (origin !== '' && (!URL.canParse(origin) || new URL(origin).host !== ctx.host)) {
    throw new ControlError(403, 'The sandbox does not answer to pages of other sites');
  }
}

/** Reads a JSON object from the request's body. @throws ControlError 400 | 413 */
export async function readJson(ctx: RouterContext): Promise<Fields> {
  if (!ctx.is('application/json')) throw new ControlError(400, 'Send JSON (Content-Type: application/json)');
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > MAX_BODY_BYTES) throw new ControlError(413, `The request is larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ControlError(400, 'The request is not JSON');
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    throw new ControlError(400, 'Send a JSON object');
  return fields as Fields;
}

/** Gives a field as text, or undefined when it is absent or empty. @throws ControlError 400 */
export function optionalText(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string' && typeof value !== 'number') throw new ControlError(400, `${name} must be text`);
  return String(value);
}

/** Gives a field as text. @throws ControlError 400 when it is missing */
export function text(fields: Fields, name: string): string {
  const value = optionalText(fields, name);
  if (value === undefined) throw new ControlError(400, `${name} is missing`);
  return value;
}
