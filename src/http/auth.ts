import { Buffer } from 'node:buffer';

/** The `Authorization` header, taken apart; `malformed` when it is there and cannot be read. */
export type Authorization =
  | { scheme: 'none' }
  | { scheme: 'malformed' }
  | { scheme: 'pair'; key: string; secret: string }
  | { scheme: 'broken_basic' }
  | { scheme: 'bearer'; token: string }
  | { scheme: 'unknown'; name: string };

const readers: Record<string, (value: string) => Authorization> = {
  token: readPair,
  basic: readBasic,
  bearer: (token) => ({ scheme: 'bearer', token }),
};

/** Returns what an `Authorization` header says: `token key:secret`, `Basic base64(key:secret)` or `Bearer …`, the scheme in any case. */
export function parseAuthorization(header: string | undefined): Authorization {
  const text = header?.trim() ?? '';
  if (text === '') return { scheme: 'none' };
  const parts = text.split(/\s+/);
  const [name = '', value = ''] = parts;
  if (parts.length !== 2) return { scheme: 'malformed' };
  const reader = Object.hasOwn(readers, name.toLowerCase()) ? readers[name.toLowerCase()] : undefined;
  return reader ? reader(value) : { scheme: 'unknown', name };
}

function readPair(value: string): Authorization {
  const [key = '', secret = '', ...rest] = value.split(':');
  return key && secret && rest.length === 0 ? { scheme: 'pair', key, secret } : { scheme: 'malformed' };
}

/** Node's decoder skips what is not base64; here it counts as broken. */
function readBasic(value: string): Authorization {
  if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(value)) return { scheme: 'broken_basic' };
  const text = Buffer.from(value, 'base64').toString('utf8');
  if (text.includes('\uFFFD')) return { scheme: 'broken_basic' };
  return readPair(text);
}
