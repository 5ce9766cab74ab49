import { mkdir, statfs } from 'node:fs/promises';
import { ClientError } from '../client.ts';

const mib = 1024 * 1024;
/** A browser that runs out of disk in the middle of a write damages its profile: it is not started with less. */
const leastBytes = 20 * mib;

/** Refuses to go on when the disk of the profiles is full. @throws ClientError disk_full */
export async function assertRoom(profilesDir: string): Promise<void> {
  await mkdir(profilesDir, { recursive: true });
  const { bavail, bsize } = await statfs(profilesDir);
  const freeBytes = bavail * bsize;
  if (freeBytes < leastBytes)
    throw new ClientError(
      'disk_full',
      `The disk of ${profilesDir} is full: ${Math.floor(freeBytes / mib)} MiB are free, a browser needs ${leastBytes / mib}`,
    );
}
