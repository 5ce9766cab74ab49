import { constants } from 'node:fs';
import { copyFile, link, lstat, mkdir, readdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * What holds the login of a linked device, in Chromium's profile layout. The key by which cookies are encrypted is the fixed one
 * of `--password-store=basic`; `Local State` names it.
 */
const loginFiles = [
  'Local State',
  'Default/Cookies',
  'Default/Cookies-journal',
  'Default/IndexedDB',
  'Default/Local Storage',
  'Default/Network',
  'Default/Preferences',
  'Default/Session Storage',
  'Default/Service Worker/Database',
  'Default/WebStorage',
];

/** As Chromium's own folders have it: who reads a login has the number. */
const ownerOnly = 0o700;
const kept = 2;
/** The end of the name of a copy that was restored. */
const tried = '.tried';
/** An older copy knows too little of the talks since: WhatsApp would see a device that fell back in time. */
const maxAgeMs = 14 * 86_400_000;

/**
 * Keeps a copy of what holds the login beside the profile, `<profileDir>.copy.<Unix ms>`; the two latest stay. The browser must be closed.
 * Cheap: LevelDB never changes a table once it is written, so tables are hard links, and only logs and small files are copied.
 */
export async function keepCopy(profileDir: string, now = Date.now()): Promise<void> {
  const dir = await realpath(profileDir);
  const draft = `${dir}.copy.draft`;
  await rm(draft, { recursive: true, force: true });
  try {
    await copyAll(loginFiles, dir, draft);
    await rename(draft, `${dir}.copy.${now}`);
  } catch (error) {
    // On a full disk, half a copy would only take room.
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  for (const { path } of (await copiesOf(dir)).slice(kept)) await rm(path, { recursive: true, force: true });
  for (const { path } of await copiesOf(dir, tried)) await rm(path, { recursive: true, force: true });
  await rm(`${dir}.damaged`, { recursive: true, force: true });
}

/**
 * Puts the latest copy in the place of the profile; the damaged one stays beside it as `<profileDir>.damaged` until the next good end.
 * A copy is tried once, unless `trustCopy` says that it has helped. False when there is none that is young enough.
 */
export async function restoreCopy(profileDir: string, now = Date.now()): Promise<boolean> {
  const dir = await realpath(profileDir).catch(() => profileDir);
  const [latest] = await copiesOf(dir);
  if (!latest || now - latest.at > maxAgeMs) return false;
  await rm(`${dir}.damaged`, { recursive: true, force: true });
  await rename(dir, `${dir}.damaged`).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  // From now on it is tried, whatever comes of it; without room for another it becomes the profile itself.
  const source = `${latest.path}${tried}`;
  await rename(latest.path, source);
  const draft = `${dir}.copy.draft`;
  await rm(draft, { recursive: true, force: true });
  const isCopied = await copyTree(source, draft).then(
    () => true,
    () => false,
  );
  if (!isCopied) await rm(draft, { recursive: true, force: true });
  await rename(isCopied ? draft : source, dir);
  return true;
}

/** The copy that was restored has helped: it may be used again when the profile is damaged before the next good end. */
export async function trustCopy(profileDir: string): Promise<void> {
  const dir = await realpath(profileDir);
  for (const { path } of await copiesOf(dir, tried)) await rename(path, path.slice(0, -tried.length));
}

/** Removes all copies of a profile. */
export async function removeCopies(profileDir: string): Promise<void> {
  const dir = await realpath(profileDir).catch(() => profileDir);
  for (const { path } of [...(await copiesOf(dir)), ...(await copiesOf(dir, tried))])
    await rm(path, { recursive: true, force: true });
  for (const end of ['damaged', 'copy.draft']) await rm(`${dir}.${end}`, { recursive: true, force: true });
}

/** The copies of a profile, latest first: those not tried yet, or those that were. */
async function copiesOf(dir: string, end: '' | typeof tried = ''): Promise<{ path: string; at: number }[]> {
  const prefix = `${basename(dir)}.copy.`;
  const names = await readdir(dirname(dir)).catch(() => []);
  return names
    .filter((name) => name.startsWith(prefix) && name.endsWith(end))
    .map((name) => ({ path: join(dirname(dir), name), at: name.slice(prefix.length, name.length - end.length) }))
    .filter(({ at }) => /^\d+$/.test(at))
    .map(({ path, at }) => ({ path, at: Number(at) }))
    .toSorted((a, b) => b.at - a.at);
}

/** Copies all at once: one after another, each would come back a turn of the event loop later. Nothing is on its way any more when it rejects. */
async function copyAll(names: readonly string[], from: string, to: string): Promise<void> {
  const copies = await Promise.allSettled(names.map((name) => copyTree(join(from, name), join(to, name))));
  for (const copy of copies) if (copy.status === 'rejected') throw copy.reason;
}

async function copyTree(from: string, to: string): Promise<void> {
  const stats = await lstat(from).catch(() => null);
  if (stats?.isDirectory()) {
    await mkdir(to, { recursive: true, mode: ownerOnly });
    await copyAll(await readdir(from), from, to);
  } else if (stats?.isFile()) {
    await mkdir(dirname(to), { recursive: true, mode: ownerOnly });
    await (from.endsWith('.ldb') ? linkOrCopy(from, to) : copyFile(from, to, constants.COPYFILE_FICLONE));
  }
}

/** Some file systems have no hard links. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_FICLONE));
}
