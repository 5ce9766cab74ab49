import { mkdir, readdir, readlink, realpath, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../../model/errors.ts';
import { ClientError } from '../client.ts';
import { instanceMarker } from './flags.ts';
import { holderOf, isAlive, isThisProcess, takeLock, type Lock, type LockOwner } from './lock.ts';
import { commandLine, killAll, processIds, processTree, signal } from './processes.ts';

/**
 * Claims the data folder for this process: two gateways on one folder would send everything twice and break the browser profiles.
 * @throws Error with a sentence that names the process which holds it, or says why the folder cannot be made
 */
export async function lockDataDir(dataDir: string): Promise<Lock> {
  await makeDir(resolve(dataDir)).catch((error: unknown) => {
    throw new Error(`The data folder ${resolve(dataDir)} cannot be made: ${reasonOf(error)}. Set another DATA_DIR`, {
      cause: error,
    });
  });
  return takeLock(dataDirLock(dataDir), {
    refusal: ({ pid, host }, file) =>
      `Another gateway (process ${pid} on ${host}) uses the data folder ${resolve(dataDir)}: stop it first, or set another DATA_DIR. ` +
      `If that process is no gateway, remove ${file}`,
  });
}

/** Returns the gateway that holds the data folder, null when none does. */
export function dataDirHolder(dataDir: string): Promise<LockOwner | null> {
  return holderOf(dataDirLock(dataDir));
}

/** Makes a folder and those above it. Not by `recursive`, which tries for ever where a file system refuses with ENOENT, as `/proc` does. */
export async function makeDir(dir: string): Promise<void> {
  const found = await stat(dir).catch(() => null);
  if (found?.isDirectory()) return;
  if (dirname(dir) !== dir) await makeDir(dirname(dir));
  await mkdir(dir).catch(async (error: unknown) => {
    // Somebody else may have made it meanwhile.
    if (!(await stat(dir).catch(() => null))?.isDirectory()) throw error;
  });
}

function dataDirLock(dataDir: string): string {
  return join(resolve(dataDir), 'gateway.lock');
}

/** A profile that is claimed and clean; `release` gives it free. */
interface OpenedProfile extends Lock {
  /** The folder itself, whatever links lead to it. */
  dir: string;
}

/**
 * Makes a browser profile ready to be started: creates the folder, claims it beside it (`<profileDir>.lock.N`), ends a browser of ours
 * that a dead gateway left on it, and removes the `Singleton*` links that a killed browser or one in another container left, which
 * would make Chromium refuse the start. Links are followed first, so that two gateways which reach one profile by different paths meet
 * at one claim. The headless shell takes no lock of its own, and a second start on one profile hangs; this claim refuses it at once.
 * @throws ClientError profile_in_use when a living process uses the profile
 */
export async function openProfile(profileDir: string): Promise<OpenedProfile> {
  await mkdir(profileDir, { recursive: true });
  const dir = await realpath(profileDir);
  const lock = await takeLock(`${dir}.lock`, {
    // Whoever reads a pid stops that process, and this one is the gateway.
    refusal: (holder) =>
      isThisProcess(holder)
        ? `The browser profile ${dir} is still in use by another browser of this gateway; once that has ended, it is opened`
        : `The browser profile ${dir} is in use by process ${holder.pid} on ${holder.host}`,
  }).catch((error: unknown) => {
    throw new ClientError('profile_in_use', reasonOf(error), { cause: error });
  });
  try {
    // We hold the claim, so whoever started a browser of ours here is gone.
    await killOrphans({ profileDir: dir, graceMs: orphanGraceMs });
    const pid = await browserOn(dir);
    if (pid !== null)
      throw new ClientError(
        'profile_in_use',
        `The browser profile ${dir} is in use by a browser that this gateway did not start (process ${pid})`,
      );
    for (const name of singletons) await rm(join(dir, name), { force: true });
    return { ...lock, dir };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Removes a profile for good, and its claims with it; the caller has closed the browser and released its own claim. */
export async function removeProfile(profileDir: string): Promise<void> {
  const dir = resolve(profileDir);
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  const names = await readdir(dirname(dir)).catch(() => []);
  for (const name of names)
    if (name.startsWith(`${basename(dir)}.lock.`)) await rm(join(dirname(dir), name), { force: true });
}

const singletons = ['SingletonLock', 'SingletonSocket', 'SingletonCookie'];

/** The living process of this machine that `SingletonLock` (a link to `host-pid`) names and that really runs on the folder. */
async function browserOn(dir: string): Promise<number | null> {
  const target = await readlink(join(dir, 'SingletonLock')).catch(() => null);
  const match = target === null ? null : /^(.*)-(\d+)$/.exec(target);
  if (!match || match[1] !== hostname()) return null;
  const pid = Number(match[2]);
  if (!isAlive(pid)) return null;
  const args = await commandLine(pid);
  // Where the command line cannot be read (macOS, Windows), a living pid has to do.
  return args === null || (await userDataDirOf(args)) === dir ? pid : null;
}

/** Which browsers `killOrphans` may end: those in a folder, or that on one profile. The caller holds its lock, so whatever runs there has lost its gateway. */
type OrphanFilter = ({ dataDir: string } | { profileDir: string }) & {
  /** Only this instance's; all of them when absent. */
  instanceId?: string;
  /** How long a browser may take to end by itself before it is killed. */
  graceMs?: number;
};

/**
 * Ends browsers that outlived their gateway and returns their pids. A browser is only touched when an argument is exactly our
 * marker and its profile is meant: never a person's own Chromium, never another gateway's. Linux only; elsewhere
 * a browser ends with its gateway because its pipe closes, and nothing is looked for.
 */
export async function killOrphans({ instanceId, graceMs = 3_000, ...where }: OrphanFilter): Promise<number[]> {
  const folder = await realpath('dataDir' in where ? where.dataDir : where.profileDir).catch(() => null);
  if (folder === null) return [];
  const isMeant = (dir: string | null) =>
    dir !== null && ('dataDir' in where ? dir.startsWith(folder + sep) : dir === folder);
  const isOrphan = async (pid: number) => {
    const args = await commandLine(pid);
    return args !== null && args.some((arg) => isMarker(arg, instanceId)) && isMeant(await userDataDirOf(args));
  };
  const ids = processIds();
  // All at once: one after another, each would come back a turn of the event loop later.
  const areOrphans = await Promise.all(ids.map(isOrphan));
  const found = ids.filter((_, index) => areOrphans[index]);
  if (found.length === 0) return [];
  // A stopped renderer would outlive its browser, and has no marker.
  const families = found.flatMap(processTree);

  for (const pid of found) signal(pid, 'SIGTERM');
  for (const deadline = Date.now() + graceMs; Date.now() < deadline; await sleep(25)) {
    const left = await Promise.all(found.map(isOrphan));
    if (!left.includes(true)) break;
  }
  await killAll(families, killWaitMs);
  return found;
}

const killWaitMs = 5_000;
const orphanGraceMs = 2_000;

function isMarker(arg: string, instanceId: string | undefined): boolean {
  return instanceId === undefined ? arg.startsWith(instanceMarker) : arg === `${instanceMarker}${instanceId}`;
}

/** The profile folder that a command line names, links followed. */
async function userDataDirOf(args: string[]): Promise<string | null> {
  const prefix = '--user-data-dir=';
  const arg = args.find((text) => text.startsWith(prefix));
  if (arg === undefined) return null;
  const dir = resolve(arg.slice(prefix.length));
  return realpath(dir).catch(() => dir);
}
