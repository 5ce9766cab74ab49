import { Buffer } from 'node:buffer';
import { setImmediate } from 'node:timers/promises';
import { csvRows } from './csv.ts';
import { jsonRows } from './json-rows.ts';
import { type Spool, memorySpool } from './spool.ts';

/**
 * A list that a request brings, however long: JSON values, CSV records as objects by their header, or bare numbers, in batches.
 * It is read from where it lies, and can be read again. Reading throws GatewayError malformed_body where the list is broken.
 */
export interface Rows extends AsyncIterable<unknown[]> {
  readonly [rowsMark]: true;
  /** `csv` when the rows are records of a table with a header. */
  readonly format: 'json' | 'csv';
}

const rowsMark = Symbol('rows');
const batchSize = 1_000;

/** Tells whether the value is such a list. */
export function isRows(value: unknown): value is Rows {
  return typeof value === 'object' && value !== null && rowsMark in value;
}

/** Returns the rows in a stretch of a spooled body: a JSON array when it begins with `[`, otherwise CSV. */
export async function rowsOfSpool(spool: Spool, start = 0, end = spool.sizeBytes): Promise<Rows> {
  const first = await firstCharacter(spool, start, end);
  if (first === '[') return rowsFrom('json', () => jsonRows(spool, start, end));
  return rowsFrom('csv', () => csvRows(spool.read(start, end)));
}

/** Returns the rows that a parameter's value means: a list, an uploaded file, or a text; null for anything else. */
export function rowsOfValue(value: unknown): Rows | null {
  if (isRows(value)) return value;
  if (Array.isArray(value)) return rowsFrom('json', () => [value]);
  if (typeof value === 'number') return rowsFrom('json', () => [[value]]);
  if (typeof value === 'string') return rowsOfText(value);
  const data: unknown = typeof value === 'object' && value !== null && 'data' in value ? value.data : null;
  return Buffer.isBuffer(data) ? rowsOfBytes(data) : null;
}

function rowsOfBytes(bytes: Buffer): Rows {
  return rowsFrom('csv', async function* () {
    yield* await rowsOfSpool(memorySpool(bytes));
  });
}

/** Forms carry JSON as text; a text of one line, or without letters, is numbers, anything else a table. */
function rowsOfText(text: string): Rows {
  const trimmed = text.trim();
  const isTable = trimmed.includes('\n') && /\p{L}/u.test(trimmed);
  if (trimmed.startsWith('[') || isTable) return rowsOfBytes(Buffer.from(trimmed));
  const numbers = trimmed.split(/[,;/\n]+/).map((part) => part.trim());
  return rowsFrom('json', () => [numbers.filter(Boolean)]);
}

function rowsFrom(format: Rows['format'], read: () => AsyncIterable<unknown[]> | Iterable<unknown[]>): Rows {
  async function* batches(): AsyncGenerator<unknown[]> {
    for await (const batch of read())
      for (let at = 0; at < batch.length; at += batchSize) {
        yield batch.slice(at, at + batchSize);
        // Between two batches others get their turn: a piece of a file holds many.
        await setImmediate();
      }
  }
  return { [rowsMark]: true, format, [Symbol.asyncIterator]: batches };
}

async function firstCharacter(spool: Spool, start: number, end: number): Promise<string> {
  for await (const piece of spool.read(start, end)) {
    const text = piece
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .trimStart();
    if (text !== '') return text[0]!;
  }
  return '';
}
