import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SecretKeys } from './secrets.ts';

/** Where the keys come from: the configuration, the file of the data folder, or both. */
interface KeySources {
  secretKey: string | null;
  secretKeyPrevious: readonly string[];
  dataDir: string;
}

const leastLength = 32;

/**
 * Returns the secret keys. The current one is the configured one, else the first line of `DATA_DIR/secret.key`, which is made
 * (readable by its owner only) when it is not there. Those before it are the configured ones and whatever else the file holds, so
 * that a gateway whose key moves from the file to the configuration goes on reading what the file's key has sealed.
 * @throws Error when the file holds something else than keys
 */
export async function readSecretKeys({ secretKey, secretKeyPrevious, dataDir }: KeySources): Promise<SecretKeys> {
  const path = secretKeyFile(dataDir);
  let kept = await readKeyFile(path);
  if (secretKey === null && kept.length === 0) {
    await mkdir(dataDir, { recursive: true });
    await writeKeyFile(path, [newSecretKey()], { replace: false });
    kept = await readKeyFile(path);
  }
  const [current = '', ...previous] = [...(secretKey === null ? [] : [secretKey]), ...kept, ...secretKeyPrevious];
  return { current, previous: [...new Set(previous)].filter((key) => key !== current) };
}

/** Puts a new key in front of those in the file: the next start seals everything anew with it. */
export async function rotateKeyFile(dataDir: string): Promise<void> {
  const path = secretKeyFile(dataDir);
  await mkdir(dataDir, { recursive: true });
  await writeKeyFile(path, [newSecretKey(), ...(await readKeyFile(path))], { replace: true });
}

/** Leaves only the current key in the file; returns how many went. */
export async function forgetPreviousKeys(dataDir: string): Promise<number> {
  const path = secretKeyFile(dataDir);
  const [current, ...previous] = await readKeyFile(path);
  if (current === undefined || previous.length === 0) return 0;
  await writeKeyFile(path, [current], { replace: true });
  return previous.length;
}

/** Returns a key of 256 random bits. */
export function newSecretKey(): string {
  return randomBytes(32).toString('base64url');
}

function secretKeyFile(dataDir: string): string {
  return join(dataDir, 'secret.key');
}

/** Returns the lines of the file, none when it is not there. */
async function readKeyFile(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return [];
  const keys = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter(Boolean);
  if (keys.length === 0 || keys.some((key) => key.length < leastLength))
    throw new Error(`${path} does not hold secret keys of at least ${leastLength} characters, one a line`);
  return keys;
}

/** Writes the file whole or not at all. */
async function writeKeyFile(path: string, keys: string[], { replace }: { replace: boolean }): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(`${keys.join('\n')}\n`);
    await file.sync();
    await file.close();
    if (replace) await rename(draft, path);
    // A link never replaces a key that another process has made in the meantime.
    else
      await link(draft, path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
  } finally {
    await file.close().catch(() => undefined);
    await rm(draft, { force: true });
  }
}
