import { Buffer } from 'node:buffer';
import { GatewayError } from '../model/errors.ts';
import type { Spool } from './spool.ts';

/** One part of a multipart form and where its bytes lie. */
interface FormPart {
  name: string;
  /** Null for a plain field. */
  filename: string | null;
  mimeType: string;
  start: number;
  end: number;
}

const maxHeaderBytes = 16 * 1024;
const maxParts = 200;

/**
 * Returns the parts of a spooled multipart form (RFC 7578) without reading their contents into memory.
 * @throws GatewayError malformed_body
 */
export async function formParts(spool: Spool, contentType: string): Promise<FormPart[]> {
  const boundary = /boundary=(?:"([^"]{1,200})"|([^\s;]{1,200}))/i.exec(contentType);
  if (!boundary) throw new GatewayError('malformed_body', 'The multipart form names no boundary');
  const marks = await marksOf(spool, Buffer.from(`--${boundary[1] ?? boundary[2]}`));
  if (marks.length < 2) throw new GatewayError('malformed_body', 'The multipart form is not complete');

  const parts: FormPart[] = [];
  for (const [index, mark] of marks.slice(0, -1).entries()) {
    // The line end in front of a boundary belongs to the boundary.
    const end = marks[index + 1]!.start - 2;
    const head = await bytesOf(spool, mark.end, Math.min(mark.end + maxHeaderBytes, Math.max(end, mark.end)));
    const blank = head.indexOf('\r\n\r\n');
    if (blank < 0) throw new GatewayError('malformed_body', 'A part of the multipart form has no end of its header');
    const headers = head.toString('utf8', 0, blank);
    const name = parameterOf(headers, 'name');
    if (name !== null)
      parts.push({
        name,
        filename: parameterOf(headers, 'filename'),
        mimeType: /^content-type:\s*([^\r\n]+)/im.exec(headers)?.[1]?.trim() ?? '',
        start: mark.end + blank + 4,
        end,
      });
  }
  return parts;
}

/** Returns the bytes of a stretch of a spool. */
export async function bytesOf(spool: Spool, start: number, end: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of spool.read(start, end)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Where the boundary stands at the beginning of a line. */
async function marksOf(spool: Spool, mark: Buffer): Promise<{ start: number; end: number }[]> {
  const found: { start: number; end: number }[] = [];
  // A mark may lie across two pieces, so the end of one, with the line end in front, is looked at again with the next.
  const overlap = mark.length + 2;
  let text: Buffer = Buffer.alloc(0);
  let offset = 0;
  for await (const piece of spool.read()) {
    const kept = text.subarray(Math.max(0, text.length - overlap));
    offset += text.length - kept.length;
    text = Buffer.concat([kept, piece]);
    for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + mark.length)) {
      const start = offset + at;
      const isLineStart = start === 0 || (at >= 2 && text[at - 2] === 13 && text[at - 1] === 10);
      if (!isLineStart || start < (found.at(-1)?.end ?? 0)) continue;
      found.push({ start, end: start + mark.length });
      if (found.length > maxParts) throw new GatewayError('malformed_body', `The form has more than ${maxParts} parts`);
    }
  }
  return found;
}

/** `name="value"` of a Content-Disposition header, where browsers write a quote as `%22`. */
function parameterOf(headers: string, name: string): string | null {
  const line = /^content-disposition:[^\r\n]*/im.exec(headers)?.[0] ?? '';
  const match =
    new RegExp(`;\\s*${name}="([^"]*)"`, 'i').exec(line) ?? new RegExp(`;\\s*${name}=([^\\s;]+)`, 'i').exec(line);
  return match?.[1] === undefined ? null : match[1].replace(/%22/g, '"').replace(/%0D%0A/gi, '\n');
}
