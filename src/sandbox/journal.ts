import { closeSync, existsSync, mkdirSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { NetworkRecord } from './records.ts';

/** An append-only file of network facts. */
export interface Journal {
  /** Writes one record before it returns and gives its line number, counted from 1. */
  append(record: NetworkRecord): number;
  close(): void;
}

/**
 * Opens the journal at `path` and calls `onRecord` for every record in it, oldest first.
 * A last line without its newline was never acknowledged to anyone (the process died while writing it) and is cut off.
 * @throws Error when an earlier line is not JSON
 */
export function openJournal(path: string, onRecord: (record: NetworkRecord, line: number) => void): Journal {
  mkdirSync(dirname(path), { recursive: true });
  let line = 0;
  if (existsSync(path)) {
    const bytes = readFileSync(path);
    const end = bytes.lastIndexOf(10) + 1;
    if (end < bytes.length) truncateSync(path, end);
    for (const text of bytes.toString('utf8', 0, end).split('\n')) {
      if (text === '') continue;
      line += 1;
      onRecord(parse(text, path, line), line);
    }
  }
  let file: number | undefined = openSync(path, 'a');
  return {
    append(record) {
      if (file === undefined) throw new Error('The sandbox is closed');
      writeSync(file, `${JSON.stringify(record)}\n`);
      line += 1;
      return line;
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

function parse(text: string, path: string, line: number): NetworkRecord {
  try {
    return JSON.parse(text) as NetworkRecord;
  } catch (cause) {
    throw new Error(`The sandbox journal ${path} is damaged at line ${line}`, { cause });
  }
}
