import { readdirSync, readFileSync } from 'node:fs';

/** A process of this machine, from /proc. */
interface Process {
  pid: number;
  parent: number;
  /** `R`, `S`, `T` (stopped), `Z` … */
  state: string;
  args: string[];
}

/** Returns the browsers whose profile is, or lies in, this folder: their main processes. */
export function browsersIn(dir: string): number[] {
  return processes()
    .filter(({ args }) => args.some((arg) => arg.startsWith(`--user-data-dir=${dir}`)) && !typeOf(args))
    .map(({ pid }) => pid);
}

/** Returns the renderer processes of a browser. */
export function renderersOf(browser: number): number[] {
  const all = processes();
  const family = new Set([browser]);
  // Parents come before their children in the order of pids nearly always; twice is enough for a zygote in between.
  for (let round = 0; round < 3; round += 1) for (const { pid, parent } of all) if (family.has(parent)) family.add(pid);
  return all.filter(({ pid, args }) => family.has(pid) && typeOf(args) === 'renderer').map(({ pid }) => pid);
}

/** Tells whether a process is there and no zombie. */
export function isRunning(pid: number): boolean {
  return processes().some((process) => process.pid === pid && process.state !== 'Z');
}

/** A process that was forked off shows its arguments as one text. */
function typeOf(args: string[]): string | null {
  return /(?:^| )--type=([\w-]+)/.exec(args.join(' '))?.[1] ?? null;
}

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const args = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').filter(Boolean);
        return [{ pid: Number(name), parent: Number(parent), state, args }];
      } catch {
        // It ended while we looked.
        return [];
      }
    });
}
