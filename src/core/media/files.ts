import { createHash } from 'node:crypto';
import { createReadStream, type ReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../disk.ts';
import { tooLarge } from './base64.ts';

/** A file written under a temporary name: its hash and what its type can be told by. */
export interface DraftFile {
  path: string;
  sha256: string;
  sizeBytes: number;
  /** The first 4 KiB and the last 64 KiB. */
  head: Buffer;
  tail: Buffer;
}

/** The files under `DATA_DIR/media`, named by the hash of their bytes: `<aa>/<sha256>`. No part of a path comes from a user. */
export interface MediaFiles {
  /** Writes the bytes to disk (fsync) under a temporary name. @throws GatewayError too_large */
  draft(chunks: AsyncIterable<Buffer> | Iterable<Buffer>, maxBytes: number): Promise<DraftFile>;
  /** Gives the draft its name; a file with the same bytes is replaced. */
  keep(draft: DraftFile): Promise<void>;
  discard(draft: DraftFile): Promise<void>;
  path(sha256: string): string;
  exists(sha256: string): Promise<boolean>;
  read(sha256: string): Promise<Buffer>;
  stream(sha256: string): ReadStream;
  remove(sha256: string): Promise<void>;
  /** Removes temporary files older than this Unix ms and yields the hashes of kept files older than it, a folder at a time. */
  sweep(olderThan: number): AsyncGenerator<string[]>;
}

const headBytes = 4096;
const tailBytes = 64 * 1024;

/** Returns the files of a data folder. `newName` makes names that were never used before. */
export function createMediaFiles({ dataDir, newName }: { dataDir: string; newName: () => string }): MediaFiles {
  const root = join(dataDir, 'media');
  const drafts = join(root, 'drafts');
  const folder = (sha256: string) => join(root, sha256.slice(0, 2));
  const path = (sha256: string) => join(folder(sha256), sha256);
  const made = new Set<string>();

  async function ensureFolder(dir: string): Promise<void> {
    if (made.has(dir)) return;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    made.add(dir);
  }

  return {
    async draft(chunks, maxBytes) {
      await ensureFolder(drafts);
      const name = join(drafts, newName());
      const file = await open(name, 'wx', 0o600);
      try {
        const result = await writeAll(file, chunks, maxBytes);
        await file.sync();
        await file.close();
        return { path: name, ...result };
      } catch (error) {
        await file.close();
        await rm(name, { force: true });
        throw error;
      }
    },

    async keep(draft) {
      await ensureFolder(folder(draft.sha256));
      await rename(draft.path, path(draft.sha256));
      await syncFolder(folder(draft.sha256));
    },

    discard: (draft) => rm(draft.path, { force: true }),
    path,
    exists: (sha256) =>
      stat(path(sha256)).then(
        () => true,
        () => false,
      ),
    read: (sha256) => readFile(path(sha256)),
    stream: (sha256) => createReadStream(path(sha256)),
    remove: (sha256) => rm(path(sha256), { force: true }),

    async *sweep(olderThan) {
      for (const name of await list(drafts))
        if (await isOlder(join(drafts, name), olderThan)) await rm(join(drafts, name), { force: true });
      for (const shard of await list(root)) {
        if (!/^[0-9a-f]{2}$/.test(shard)) continue;
        const old: string[] = [];
        for (const name of await list(join(root, shard)))
          if (/^[0-9a-f]{64}$/.test(name) && (await isOlder(join(root, shard, name), olderThan))) old.push(name);
        if (old.length > 0) yield old;
      }
    },
  };
}

async function writeAll(file: FileHandle, chunks: AsyncIterable<Buffer> | Iterable<Buffer>, maxBytes: number) {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let head = Buffer.alloc(0);
  let tail = Buffer.alloc(0);
  for await (const chunk of chunks) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
    hash.update(chunk);
    if (head.length < headBytes) head = Buffer.concat([head, chunk.subarray(0, headBytes - head.length)]);
    tail =
      chunk.length >= tailBytes
        ? Buffer.from(chunk.subarray(-tailBytes))
        : Buffer.concat([tail, chunk]).subarray(-tailBytes);
    await writeFully(file, chunk);
  }
  return { sha256: hash.digest('hex'), sizeBytes, head, tail };
}

async function writeFully(file: FileHandle, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
}

async function list(dir: string): Promise<string[]> {
  return readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

function isOlder(path: string, olderThan: number): Promise<boolean> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs < olderThan,
    () => false,
  );
}
