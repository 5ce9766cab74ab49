import { lstat, open, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** Returns how much a program without special rights may still write on the disk of this folder, in bytes. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Makes new and renamed files of this folder last through a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Returns what a folder takes on disk with everything in it, in bytes; 0 when it is not there. */
export async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    const path = join(folder, entry.name);
    // A browser at work removes files while they are looked at.
    if (entry.isDirectory()) bytes += await sizeOf(path);
    else
      bytes += await lstat(path).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      );
  }
  return bytes;
}
