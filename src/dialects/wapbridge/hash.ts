import { createHash } from 'node:crypto';
import type { Rows } from '../../http/rows.ts';

/** Returns a fingerprint of a call that does not depend on the order of its fields, for idempotency keys. */
export function requestHash(method: string, input: unknown): string {
  return createHash('sha256')
    .update(`${method}\n${canonical(input)}`)
    .digest('hex');
}

/** Returns the same for a call that brings a list of any length, in the order of its rows. */
export async function listRequestHash(
  method: string,
  { recipients, ...input }: { recipients?: Rows },
): Promise<string> {
  const hash = createHash('sha256').update(requestHash(method, input));
  if (recipients) for await (const batch of recipients) for (const row of batch) hash.update(`${canonical(row)}\n`);
  return hash.digest('hex');
}

function canonical(value: unknown): string {
  if (value instanceof Uint8Array) return `"sha256:${createHash('sha256').update(value).digest('hex')}"`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return `{${entries
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, entry]) => `${JSON.stringify(name)}:${canonical(entry)}`)
    .join(',')}}`;
}
