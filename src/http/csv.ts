import type { Buffer } from 'node:buffer';
import { GatewayError } from '../model/errors.ts';

const delimiters = [',', ';', '\t', '|'] as const;
const maxRecordLength = 1024 * 1024;
const batchSize = 1_000;

/**
 * Returns the records of a CSV file as objects by its header row, in batches. Delimiter (`,` `;` tab `|`, or the one of Excel's
 * `sep=` line), line ends, quotes (`"` doubled inside) and encoding (UTF-8 with or without BOM, UTF-16 with one, else
 * Windows-1252) are found out. A file of one column that begins with a number has no header: its cells are given as texts.
 * @throws GatewayError malformed_body for a quote that is never closed, and for a file that is no text, such as a workbook
 */
export async function* csvRows(source: AsyncIterable<Buffer>): AsyncGenerator<unknown[]> {
  const reader = createCsvReader();
  let toRow: ((cells: string[]) => unknown) | null = null;
  let batch: unknown[] = [];

  function take(records: string[][]): void {
    for (const cells of records) {
      if (toRow) batch.push(toRow(cells));
      else if (cells.length === 1 && looksLikeNumber(cells[0]!)) batch.push((toRow = firstCell)(cells));
      else toRow = byHeader(cells);
    }
  }

  for await (const text of textOf(source)) {
    take(reader.read(text));
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  take(reader.end());
  if (batch.length > 0) yield batch;
}

/** Splits CSV text into records as it comes; empty lines are none. */
interface CsvReader {
  read(text: string): string[][];
  end(): string[][];
}

function createCsvReader(): CsvReader {
  let carry = '';
  let delimiter: string | null = null;
  let line = 1;

  function records(text: string, isLast: boolean): string[][] {
    const found: string[][] = [];
    let at = 0;
    while (at < text.length) {
      const newline = delimiter === null ? firstLineEnd(text) : 0;
      if (newline < 0 && !isLast) break;
      if (delimiter === null) {
        const head = newline < 0 ? text : text.slice(0, newline);
        const declared = /^sep=(.)\r?$/i.exec(head)?.[1];
        delimiter = declared ?? delimiterOf(head);
        if (declared !== undefined) {
          at = newline + 1;
          continue;
        }
      }
      const record = readRecord(text, at, delimiter, isLast);
      if (!record) break;
      at = record.end;
      line += 1;
      if (record.cells.length > 1 || record.cells[0] !== '') found.push(record.cells);
    }
    carry = text.slice(at);
    if (carry.length > maxRecordLength || (isLast && carry !== ''))
      throw new GatewayError('malformed_body', `The quotes of record ${line} are not closed`);
    return found;
  }

  return {
    read: (text) => records(carry + text, false),
    end: () => records(carry, true),
  };
}

/** Returns the record that begins at `at` and where the next one does, null when its end has not come yet. */
function readRecord(
  text: string,
  at: number,
  delimiter: string,
  isLast: boolean,
): { cells: string[]; end: number } | null {
  const cells: string[] = [];
  const separator = delimiter.charCodeAt(0);
  for (let position = at; ;) {
    let cell = '';
    if (text[position] === '"') {
      const closing = closingQuote(text, position + 1);
      if (closing < 0 || (closing === text.length - 1 && !isLast)) return null;
      cell = text.slice(position + 1, closing).replaceAll('""', '"');
      position = closing + 1;
    }
    const start = position;
    while (position < text.length && !endsCell(text.charCodeAt(position), separator)) position += 1;
    cells.push((cell + text.slice(start, position)).trim());
    if (position >= text.length) return isLast ? { cells, end: position } : null;
    if (text.charCodeAt(position) === separator) {
      position += 1;
      continue;
    }
    // A carriage return at the very end may be half of a line end.
    if (text[position] === '\r' && position === text.length - 1 && !isLast) return null;
    return { cells, end: position + (text[position] === '\r' && text[position + 1] === '\n' ? 2 : 1) };
  }
}

function endsCell(code: number, separator: number): boolean {
  return code === separator || code === 10 || code === 13;
}

/** The first quote that is not doubled. */
function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at >= 0 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}

/** Returns where the first line ends, outside of quotes; −1 when it has not come yet. */
function firstLineEnd(text: string): number {
  let inQuotes = false;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') inQuotes = !inQuotes;
    else if (!inQuotes && (text[at] === '\n' || text[at] === '\r')) return at;
  }
  return -1;
}

/** The delimiter that the header holds most often, outside of quotes. */
function delimiterOf(header: string): string {
  const bare = header.replace(/"(?:[^"]|"")*"/g, '');
  const counts = delimiters.map((delimiter) => bare.split(delimiter).length - 1);
  return delimiters[counts.indexOf(Math.max(...counts))]!;
}

function byHeader(header: string[]): (cells: string[]) => object {
  return (cells) => Object.fromEntries(header.map((name, index) => [name, cells[index] ?? '']));
}

function firstCell(cells: string[]): string {
  return cells[0]!;
}

function looksLikeNumber(text: string): boolean {
  return /^\+?[\d\s().-]{6,}$/.test(text);
}

/** The encoding is judged by the first piece, whose last character may be cut. */
async function* textOf(source: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let decoder: TextDecoder | null = null;
  for await (const piece of source) {
    decoder ??= new TextDecoder(encodingOf(piece));
    if (!decoder.encoding.startsWith('utf-16') && piece.includes(0))
      throw new GatewayError(
        'malformed_body',
        'The list is no text: save it as CSV, in UTF-8; a workbook such as .xlsx cannot be read',
      );
    yield decoder.decode(piece, { stream: true });
  }
  if (decoder) yield decoder.decode();
}

function encodingOf(piece: Buffer): string {
  if (piece[0] === 0xff && piece[1] === 0xfe) return 'utf-16le';
  if (piece[0] === 0xfe && piece[1] === 0xff) return 'utf-16be';
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(piece, { stream: true });
    return 'utf-8';
  } catch {
    return 'windows-1252';
  }
}
