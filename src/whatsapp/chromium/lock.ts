import { readFileSync, readlinkSync } from 'node:fs';
import { open, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

/** A claim on a folder, held until it is released or its process is gone. */
export interface Lock {
  release(): Promise<void>;
}

/** What is written into a lock: who holds it. */
export interface LockOwner {
  pid: number;
  host: string;
  /** The kernel's name of the process's pid namespace: two containers may share a host name, and both have a process 1. Null outside Linux. */
  pidSpace: string | null;
  /** When the process started, in the kernel's ticks; tells a reused pid apart. Null where the system does not say (macOS, Windows). */
  processStart: string | null;
}

/** How `takeLock` is told about its surroundings; tests pass their own. */
interface LockOptions {
  owner?: LockOwner;
  /** How often the holder touches its lock. On another machine or in another container that is the only sign of its life. */
  heartbeatMs?: number;
  /** Turns the holder into the sentence that the person reads. */
  refusal(holder: LockOwner, file: string): string;
}

const heartbeatMs = 5_000;
const missedHeartbeats = 3;
const halfWrittenMs = 5_000;

/**
 * Takes the lock `<path>.<generation>`, or throws `refusal` when a living process holds it. A dead holder's lock is taken over.
 *
 * Files are numbered and the highest number counts. A file is only ever made anew, never changed into another's, and whoever
 * made one looks again for a higher number before believing it. So two processes that find the same dead holder cannot both win,
 * however they interleave, which removing and making one file again cannot promise. A released lock stays as an empty claim
 * to keep the count.
 */
export async function takeLock(path: string, options: LockOptions): Promise<Lock> {
  const owner = options.owner ?? thisProcess();
  for (;;) {
    const last = (await generations(path)).at(-1) ?? 0;
    if (last > 0) await refuseWhileHeld(fileOf(path, last), owner, options);
    const file = fileOf(path, last + 1);
    if (!(await create(file, owner))) continue;
    const all = await generations(path);
    if (all.at(-1) !== last + 1) {
      await rm(file, { force: true });
      continue;
    }
    for (const older of all.filter((generation) => generation < last)) await rm(fileOf(path, older), { force: true });
    return held(file, options.heartbeatMs ?? heartbeatMs);
  }
}

/** Returns who holds the lock, without touching it; null when nobody does, or its holder on this machine is dead. */
export async function holderOf(path: string): Promise<LockOwner | null> {
  const last = (await generations(path).catch(ignoreMissing))?.at(-1);
  if (last === undefined) return null;
  const owner = await readOwner(fileOf(path, last));
  if (owner === 'released' || owner === 'unreadable') return null;
  return livesHere(owner) === false ? null : owner;
}

/** Returns who this process is, as its locks say. */
export function thisProcess(): LockOwner {
  return { pid: process.pid, host: hostname(), pidSpace: pidSpace(), processStart: processStart(process.pid) };
}

/** Tells whether a lock is held by this very process. */
export function isThisProcess(owner: LockOwner): boolean {
  return isDeepStrictEqual(owner, thisProcess());
}

function pidSpace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}

/** Tells whether a process of this machine is alive; one that belongs to another user is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The start time of a process from `/proc/<pid>/stat`, field 22, after the name in brackets, which may hold anything. */
export function processStart(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

async function generations(path: string): Promise<number[]> {
  const prefix = `${basename(path)}.`;
  const names = await readdir(dirname(path));
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .toSorted((a, b) => a - b);
}

function fileOf(path: string, generation: number): string {
  return join(dirname(path), `${basename(path)}.${generation}`);
}

async function create(file: string, owner: LockOwner): Promise<boolean> {
  try {
    const handle = await open(file, 'wx', 0o644);
    try {
      await handle.writeFile(JSON.stringify(owner));
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function held(file: string, everyMs: number): Lock {
  const beat = setInterval(() => {
    // A missed beat is made up by the next one; the lock itself is a file, not the beat.
    void utimes(file, new Date(), new Date()).catch(() => undefined);
  }, everyMs);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      await writeFile(file, released).catch(ignoreMissing);
    },
  };
}

const released = '{}';

/** Returns when the holder is gone; throws the refusal when it is not. */
async function refuseWhileHeld(file: string, self: LockOwner, options: LockOptions): Promise<void> {
  const firstBeat = await beatOf(file);
  const startedAt = performance.now();
  for (;;) {
    const holder = await readOwner(file);
    const beat = await beatOf(file);
    if (holder === 'released' || beat === null) return;
    // What we have watched ourselves counts too: where the clock was set back, the last beat lies ahead.
    const ageMs = Math.max(Date.now() - beat, beat === firstBeat ? performance.now() - startedAt : 0);
    if (holder === 'unreadable') {
      // Its maker stands between making and writing it, or died there.
      if (ageMs > halfWrittenMs) return;
    } else {
      const lives = livesHere(holder, self);
      if (lives === false) return;
      // Another machine or container: its pids say nothing here. It is alive when it touches its lock while we look.
      if (lives || beat !== firstBeat) throw new Error(options.refusal(holder, file));
      if (ageMs > (options.heartbeatMs ?? heartbeatMs) * missedHeartbeats) return;
    }
    await sleep(Math.min(200, options.heartbeatMs ?? heartbeatMs));
  }
}

/** Tells whether a process lives; null when it is of another machine or container, where its pid says nothing. */
export function livesHere(holder: LockOwner, self = thisProcess()): boolean | null {
  return isNeighbour(holder, self) ? !isGone(holder) : null;
}

/** Only there does its pid mean anything to us. */
function isNeighbour(holder: LockOwner, self: LockOwner): boolean {
  return holder.host === self.host && holder.pidSpace === self.pidSpace;
}

function isGone(holder: LockOwner): boolean {
  if (!isAlive(holder.pid)) return true;
  const start = processStart(holder.pid);
  return holder.processStart !== null && start !== null && start !== holder.processStart;
}

async function readOwner(file: string): Promise<LockOwner | 'released' | 'unreadable'> {
  const text = await readFile(file, 'utf8').catch(ignoreMissing);
  if (text === undefined || text === released) return 'released';
  try {
    const owner = JSON.parse(text) as Partial<LockOwner>;
    if (typeof owner.pid !== 'number' || typeof owner.host !== 'string') return 'unreadable';
    return {
      pid: owner.pid,
      host: owner.host,
      pidSpace: owner.pidSpace ?? null,
      processStart: owner.processStart ?? null,
    };
  } catch {
    return 'unreadable';
  }
}

/** When the lock was last touched, Unix ms; null when it is gone. */
async function beatOf(file: string): Promise<number | null> {
  return (await stat(file).catch(ignoreMissing))?.mtimeMs ?? null;
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}
