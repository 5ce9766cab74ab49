import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a message carries so that its receiver can fetch and check the file. */
interface MediaTicket {
  directPath: string;
  mediaKey: string;
  mediaKeyTimestamp: number;
  filehash: string;
  encFilehash: string;
  size: number;
}

/** The network's file server: bytes under their SHA-256, outside the journal. */
export interface MediaStore {
  /** Keeps bytes and gives what a message must carry. The file is complete when this returns. */
  put(bytes: Uint8Array, nowMs: number): MediaTicket;
  /** Gives the bytes behind a direct path, or undefined. */
  get(directPath: string): Buffer | undefined;
  /** Gives the file behind a direct path. */
  fileOf(directPath: string): string | undefined;
}

const DIRECT_PATH = /^\/v\/sandbox\/([0-9a-f]{64})$/;

/** Opens the folder of media files. */
export function createMediaStore(dir: string): MediaStore {
  mkdirSync(dir, { recursive: true });
  const fileOf = (directPath: string): string | undefined => {
    const name = DIRECT_PATH.exec(directPath)?.[1];
    return name === undefined ? undefined : join(dir, name);
  };
  return {
    put(bytes, nowMs) {
      const hash = createHash('sha256').update(bytes).digest();
      const file = join(dir, hash.toString('hex'));
      if (!existsSync(file)) {
        const part = `${file}.${randomBytes(4).toString('hex')}.part`;
        writeFileSync(part, bytes);
        renameSync(part, file);
      }
      return {
        directPath: `/v/sandbox/${hash.toString('hex')}`,
        mediaKey: randomBytes(32).toString('base64'),
        mediaKeyTimestamp: Math.floor(nowMs / 1000),
        filehash: hash.toString('base64'),
        encFilehash: createHash('sha256').update(hash).digest('base64'),
        size: bytes.byteLength,
      };
    },
    get(directPath) {
      const file = fileOf(directPath);
      return file !== undefined && existsSync(file) ? readFileSync(file) : undefined;
    },
    fileOf,
  };
}
