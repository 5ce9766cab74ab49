import { readdirSync, readFileSync } from 'node:fs';

/** Times of single works, ms. */
export interface Timing {
  perSecond: number;
  p50: number;
  p95: number;
}

/** Runs `work` `count` times, `concurrency` at once, and returns how long each took and how many went through a second. */
export async function timed(
  count: number,
  concurrency: number,
  work: (index: number) => Promise<unknown>,
): Promise<Timing> {
  const times: number[] = [];
  let next = 0;
  const startedAt = performance.now();
  const worker = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      const at = performance.now();
      await work(index);
      times.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const elapsedMs = performance.now() - startedAt;
  return { perSecond: (count / elapsedMs) * 1000, p50: quantile(times, 0.5), p95: quantile(times, 0.95) };
}

/** Returns the q-quantile of the values, NaN of none. */
export function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** Returns the round that lies in the middle by throughput: rounds alternate between the rivals, so drift hits all alike. */
export function middle(rounds: Timing[]): Timing {
  return rounds.toSorted((a, b) => a.perSecond - b.perSecond)[rounds.length >> 1]!;
}

/** Returns the proportional set size of a process and all its descendants, in MiB (Linux). */
export function treePssMib(pid: number): number {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? read(`/proc/${name}/stat`) : '';
    const parent = /\) \S (\d+)/.exec(stat)?.[1];
    if (parent) parents.set(Number(name), Number(parent));
  }
  const inTree = (candidate: number): boolean =>
    candidate === pid || (parents.has(candidate) && inTree(parents.get(candidate)!));
  let kib = 0;
  for (const candidate of parents.keys())
    if (inTree(candidate)) kib += Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${candidate}/smaps_rollup`))?.[1] ?? 0);
  return kib / 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Prints rows as a Markdown table. */
export function printTable(title: string, head: string[], rows: (string | number)[][]): void {
  const line = (cells: (string | number)[]) =>
    `| ${cells.map((cell) => (typeof cell === 'number' ? round(cell) : cell)).join(' | ')} |`;
  process.stdout.write(`\n## ${title}\n\n${[line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')}\n`);
}

function round(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}
