import { mkdir, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { instanceMarker } from './flags.ts';
import { holderOf, isAlive, takeLock, type Lock, type LockOwner } from './lock.ts';

/**
 * Claims the data folder for this process: two gateways on one folder would send everything twice and break the browser profiles.
 * @throws Error with a sentence that names the process which holds it
 */
export function lockDataDir(dataDir: string): Promise<Lock> {
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

function dataDirLock(dataDir: string): string {
  return join(resolve(dataDir), 'gateway.lock');
}

/**
 * Makes a browser profile ready to be started: creates the folder, claims it beside it (`<profileDir>.lock.N`), and removes the
 * `Singleton*` links that a killed browser or one in another container left, which would make Chromium refuse the start.
 * The headless shell takes no lock of its own, and a second start on one profile hangs; this claim refuses it at once.
 * @throws Error when a living process uses the profile
 */
export async function openProfile(profileDir: string): Promise<Lock> {
  const dir = resolve(profileDir);
  const lock = await takeLock(`${dir}.lock`, {
    refusal: ({ pid, host }) => `The browser profile ${dir} is in use by process ${pid} on ${host}`,
  });
  try {
    await mkdir(dir, { recursive: true });
    const pid = await browserOn(dir);
    if (pid !== null)
      throw new Error(
        `The browser profile ${dir} is in use by a browser that this gateway did not start (process ${pid})`,
      );
    for (const name of singletons) await rm(join(dir, name), { force: true });
    return lock;
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
  return args === null || userDataDirOf(args) === dir ? pid : null;
}

/** Which browsers `killOrphans` may end. */
export interface OrphanFilter {
  /** Only browsers whose profile lies in this folder. The caller holds its lock, so whatever runs there has lost its gateway. */
  dataDir: string;
  /** Only this instance's; all of them when absent. */
  instanceId?: string;
  /** How long a browser may take to end by itself before it is killed. */
  graceMs?: number;
}

/**
 * Ends browsers that outlived their gateway and returns their pids. A browser is only touched when an argument is exactly our
 * marker and its profile lies in the data folder: never a person's own Chromium, never another gateway's. Linux only; elsewhere
 * a browser ends with its gateway because its pipe closes, and nothing is looked for.
 */
export async function killOrphans({ dataDir, instanceId, graceMs = 3_000 }: OrphanFilter): Promise<number[]> {
  const isOrphan = async (pid: number) => {
    const args = await commandLine(pid);
    return (
      args !== null && args.some((arg) => isMarker(arg, instanceId)) && isInside(resolve(dataDir), userDataDirOf(args))
    );
  };
  const found: number[] = [];
  for (const pid of await processIds()) if (await isOrphan(pid)) found.push(pid);

  for (const pid of found) signal(pid, 'SIGTERM');
  const stillThere = async (pids: number[], timeoutMs: number): Promise<number[]> => {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const left: number[] = [];
      for (const pid of pids) if (await isOrphan(pid)) left.push(pid);
      if (left.length === 0 || Date.now() >= deadline) return left;
      await sleep(25);
    }
  };
  const stubborn = await stillThere(found, graceMs);
  for (const pid of stubborn) signal(pid, 'SIGKILL');
  await stillThere(stubborn, killWaitMs);
  return found;
}

const killWaitMs = 5_000;

function isMarker(arg: string, instanceId: string | undefined): boolean {
  return instanceId === undefined ? arg.startsWith(instanceMarker) : arg === `${instanceMarker}${instanceId}`;
}

function isInside(folder: string, path: string | null): boolean {
  return path !== null && resolve(path).startsWith(folder + sep);
}

function userDataDirOf(args: string[]): string | null {
  const prefix = '--user-data-dir=';
  const arg = args.find((text) => text.startsWith(prefix));
  return arg === undefined ? null : resolve(arg.slice(prefix.length));
}

/** The arguments of a process; null when it is gone, is not ours to read, or the system has no /proc. A zombie has none. */
async function commandLine(pid: number): Promise<string[] | null> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
  return text === null ? null : text.split('\0').filter(Boolean);
}

async function processIds(): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  const names = await readdir('/proc');
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid);
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended in the meantime.
  }
}
