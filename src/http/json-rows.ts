import { Buffer } from 'node:buffer';
import { GatewayError } from '../model/errors.ts';
import type { Spool } from './spool.ts';

/** A JSON object of which one member, a long list, is left where it lies. */
interface SplitJson {
  /** The text of the object with `null` in place of the list; the whole text when it holds no such list. */
  rest: string;
  /** Where the list lies, brackets included; null when there is none. */
  list: { start: number; end: number } | null;
}

const maxRowBytes = 1024 * 1024;
const [quote, backslash, comma, openList, closeList, openObject, closeObject] = [
  0x22, 0x5c, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d,
];

/**
 * Returns a JSON object without the list that its member `name` holds. Only what keeps the rest in memory is looked at here;
 * `JSON.parse` judges both parts later.
 * @throws GatewayError too_large when the rest is above `maxRestBytes`, malformed_body when there are two such lists
 */
export async function splitJson(spool: Spool, name: string, maxRestBytes: number): Promise<SplitJson> {
  const rest: Buffer[] = [];
  let restBytes = 0;
  let list: { start: number; end: number } | null = null;
  let listStart = -1;
  const cursor = createCursor();
  let key = '';
  let keyBytes: number[] | null = null;
  let offset = 0;

  function keep(bytes: Buffer): void {
    restBytes += bytes.length;
    if (restBytes > maxRestBytes)
      throw new GatewayError('too_large', `The request without ${name} is larger than ${maxRestBytes} bytes`);
    // A piece of a file is a buffer of its own, one of memory a view that stays valid.
    rest.push(bytes);
  }

  for await (const piece of spool.read()) {
    let keptFrom = 0;
    for (let at = 0; at < piece.length; at += 1) {
      const byte = piece[at]!;
      const wasInText = cursor.inText;
      cursor.step(byte);
      if (cursor.depth === 1 && listStart < 0) {
        // The texts of the outermost object: the last one before a value is its key.
        if (!wasInText && cursor.inText) keyBytes = [];
        else if (wasInText && cursor.inText && keyBytes && keyBytes.length < 256) keyBytes.push(byte);
        else if (wasInText && !cursor.inText && keyBytes) key = textOfKey(keyBytes);
      }
      if (
        byte === openList &&
        !wasInText &&
        cursor.depth === 2 &&
        listStart < 0 &&
        cursor.topIsObject &&
        key === name
      ) {
        if (list) throw new GatewayError('malformed_body', `The request holds ${name} twice`);
        listStart = offset + at;
        keep(piece.subarray(keptFrom, at));
        keep(Buffer.from('null'));
      } else if (listStart >= 0 && byte === closeList && !wasInText && cursor.depth === 1) {
        list = { start: listStart, end: offset + at + 1 };
        listStart = -1;
        keptFrom = at + 1;
        key = '';
      }
    }
    if (listStart < 0) keep(piece.subarray(keptFrom));
    offset += piece.length;
  }
  return { rest: Buffer.concat(rest).toString('utf8'), list };
}

/** Returns the values of a JSON array that lies in a spool, in batches as they come. @throws GatewayError malformed_body | too_large */
export async function* jsonRows(spool: Spool, start: number, end: number): AsyncGenerator<unknown[]> {
  const cursor = createCursor();
  let carry: Buffer = Buffer.alloc(0);
  let at = start;
  let isOpen = false;
  let isClosed = false;
  for await (const piece of spool.read(start, end)) {
    let cut = -1;
    let from = 0;
    for (let index = 0; index < piece.length; index += 1) {
      const byte = piece[index]!;
      const wasInText = cursor.inText;
      cursor.step(byte);
      if (!isOpen && byte === openList) {
        isOpen = true;
        from = index + 1;
      } else if (!wasInText && byte === comma && cursor.depth === 1) cut = index;
      else if (!wasInText && byte === closeList && cursor.depth === 0 && !isClosed) {
        isClosed = true;
        cut = index;
      }
    }
    if (cut < 0) {
      carry = Buffer.concat([carry, piece.subarray(from)]);
      if (carry.length > maxRowBytes)
        throw new GatewayError('too_large', `An entry of the list is larger than ${maxRowBytes} bytes`);
    } else {
      const batch = Buffer.concat([carry, piece.subarray(from, cut)]);
      carry = Buffer.from(piece.subarray(cut + 1));
      const values = parseList(batch, at - start);
      if (values.length > 0) yield values;
      else if (!isClosed) throw broken(at - start);
    }
    at += piece.length;
  }
  if (!isClosed || carry.toString('utf8').trim() !== '') throw broken(at - start);
}

function parseList(bytes: Buffer, near: number): unknown[] {
  try {
    return JSON.parse(`[${bytes.toString('utf8')}]`) as unknown[];
  } catch {
    throw broken(near);
  }
}

function broken(near: number): GatewayError {
  return new GatewayError('malformed_body', `The list is not valid JSON, somewhere after its byte ${near}`);
}

function textOfKey(bytes: number[]): string {
  try {
    return JSON.parse(`"${Buffer.from(bytes).toString('utf8')}"`) as string;
  } catch {
    return '';
  }
}

interface Cursor {
  /** Open brackets and braces. */
  depth: number;
  inText: boolean;
  topIsObject: boolean;
  step(byte: number): void;
}

/** Follows JSON byte by byte, knowing no more of it than texts, brackets and braces. */
function createCursor(): Cursor {
  let isEscaped = false;
  const cursor: Cursor = { depth: 0, inText: false, topIsObject: false, step };
  function step(byte: number): void {
    if (cursor.inText) {
      if (isEscaped) isEscaped = false;
      else if (byte === backslash) isEscaped = true;
      else if (byte === quote) cursor.inText = false;
    } else if (byte === quote) cursor.inText = true;
    else if (byte === openObject || byte === openList) {
      cursor.depth += 1;
      if (cursor.depth === 1) cursor.topIsObject = byte === openObject;
    } else if (byte === closeObject || byte === closeList) cursor.depth -= 1;
  }
  return cursor;
}
