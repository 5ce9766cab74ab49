import { Buffer } from 'node:buffer';
import { type FileHandle, mkdir, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { GatewayError } from '../model/errors.ts';

/** The bytes of a large body, in memory or in a file that nobody else can open; they can be read any number of times. */
export interface Spool {
  sizeBytes: number;
  /**
   * Returns the bytes from `start` up to, but not including, `end`, in pieces of at most 256 KiB.
   * @throws GatewayError unavailable once it is released: then nobody waits for what comes of it any more
   */
  read(start?: number, end?: number): AsyncIterable<Buffer>;
  /** Gives memory and disk back. */
  release(): Promise<void>;
}

const memoryBytes = 1024 * 1024;
const pieceBytes = 256 * 1024;

/**
 * Returns the bytes of a stream: up to 1 MiB in memory, more in a file of `dir`. The file is unlinked as soon as it is open, so
 * that even a killed process leaves nothing behind. Whatever the stream or `count` throws is passed on.
 */
export async function createSpool(
  source: AsyncIterable<Buffer>,
  input: { dir: string; count(sizeBytes: number): void },
): Promise<Spool> {
  const held: Buffer[] = [];
  let heldBytes = 0;
  let sizeBytes = 0;
  let file: FileHandle | null = null;
  try {
    for await (const piece of source) {
      input.count(piece.length);
      held.push(piece);
      heldBytes += piece.length;
      sizeBytes += piece.length;
      if (sizeBytes <= memoryBytes || heldBytes < pieceBytes) continue;
      file ??= await openNameless(input.dir);
      await writeAll(file, held.splice(0));
      heldBytes = 0;
    }
    if (file) await writeAll(file, held.splice(0));
  } catch (error) {
    await file?.close();
    throw error;
  }
  return file ? fileSpool(file, sizeBytes) : memorySpool(Buffer.concat(held));
}

/** Returns bytes that are in memory already as a spool. */
export function memorySpool(bytes: Buffer): Spool {
  let isReleased = false;
  async function* read(start = 0, end = bytes.length): AsyncGenerator<Buffer> {
    for (let at = start; at < end; at += pieceBytes) {
      if (isReleased) throw givenUp();
      yield bytes.subarray(at, Math.min(at + pieceBytes, end));
    }
  }
  async function release(): Promise<void> {
    isReleased = true;
  }
  return { sizeBytes: bytes.length, read, release };
}

function fileSpool(file: FileHandle, sizeBytes: number): Spool {
  let isReleased = false;
  async function* read(start = 0, end = sizeBytes): AsyncGenerator<Buffer> {
    for (let at = start; at < end;) {
      if (isReleased) throw givenUp();
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, end - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new Error('the spooled body is shorter than it was');
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  }
  async function release(): Promise<void> {
    isReleased = true;
    await file.close();
  }
  return { sizeBytes, read, release };
}

function givenUp(): GatewayError {
  return new GatewayError('unavailable', 'The request was given up before its list was read');
}

async function openNameless(dir: string): Promise<FileHandle> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, `wapbridge-upload-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}

async function writeAll(file: FileHandle, pieces: Buffer[]): Promise<void> {
  const bytes = Buffer.concat(pieces);
  for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
}
