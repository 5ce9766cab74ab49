import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BrowserMemory } from '../client.ts';
import { processStart } from './lock.ts';

/** A process by its pid and its start time, so that a reused pid is not taken for it. */
interface Member {
  pid: number;
  start: string | null;
}

/** Returns the arguments of a process; null when it is gone, is not ours to read, or the system has no /proc. A zombie has none. */
export async function commandLine(pid: number): Promise<string[] | null> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
  return text === null ? null : text.split('\0').filter(Boolean);
}

/** Returns every process id of this machine but our own; none where the system has no /proc. */
export function processIds(): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid);
}

/** Sends a signal; a process that has ended meanwhile is none of its worries. */
export function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended in the meantime.
  }
}

/**
 * Returns the process and all its descendants, parents first; the process alone where the system has no /proc. It reads without giving way,
 * some 20 µs a process of the machine: each read that gives way comes back a turn of the event loop later, which while much is sent
 * made minutes of it.
 */
export function processTree(root: number): Member[] {
  const childrenOf = new Map<number, number[]>();
  for (const pid of processIds()) {
    const parent = parentOf(pid);
    if (parent !== null) childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), pid]);
  }
  const tree = [root];
  for (const pid of tree) tree.push(...(childrenOf.get(pid) ?? []));
  return tree.map((pid) => ({ pid, start: processStart(pid) }));
}

/**
 * Kills processes and waits until they are gone. A browser's children normally end with it, but a stopped or hung renderer would stay
 * for ever; so the whole tree is named before its root is killed.
 */
export async function killAll(members: Member[], timeoutMs: number): Promise<void> {
  const isThere = ({ pid, start }: Member) => start !== null && processStart(pid) === start && !isZombie(pid);
  for (const member of members) if (isThere(member)) signal(member.pid, 'SIGKILL');
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await sleep(25)) {
    if (!members.some(isThere)) return;
  }
}

/** Returns the memory of a process with all its descendants; null where the system does not tell. */
export async function memoryOf(root: number): Promise<BrowserMemory | null> {
  const sums = await Promise.all(processTree(root).map(({ pid }) => rollup(pid)));
  const known = sums.filter((sum) => sum !== null);
  if (known.length === 0) return null;
  return {
    pssBytes: known.reduce((sum, { pssBytes }) => sum + pssBytes, 0),
    rssBytes: known.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
  };
}

async function rollup(pid: number): Promise<BrowserMemory | null> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => null);
  if (text === null) return null;
  const bytesOf = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { pssBytes: bytesOf('Pss'), rssBytes: bytesOf('Rss') };
}

/** Field 4 of `/proc/<pid>/stat`, after the name in brackets, which may hold anything. */
function parentOf(pid: number): number | null {
  const fields = statFields(pid);
  return fields === null ? null : Number(fields[1]);
}

function isZombie(pid: number): boolean {
  const state = statFields(pid)?.[0];
  return state === undefined || state === 'Z' || state === 'X';
}

function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}
