import { type Clock, systemClock } from '../../src/model/time.ts';

/** How long a test waits for what ought to come: it bounds a hang, and is longer than any busy machine needs. */
export const patienceMs = 60_000;

/** A clock that a test can push forward; sleeping takes no time of its own. */
export interface TestClock extends Clock {
  advance(ms: number): void;
}

/** Returns a clock that runs with the machine's, plus what it was advanced by. */
export function createTestClock(): TestClock {
  let aheadMs = 0;
  return {
    now: () => Date.now() + aheadMs,
    advance(ms) {
      aheadMs += ms;
    },
    sleep: () => new Promise((resolve) => setTimeout(resolve, 1)),
  };
}

/** Returns a clock that runs with the machine's and really sleeps, and that a test can set forward and back. */
export function createSettableClock(): Clock & { jump(ms: number): void } {
  const machine = systemClock();
  let aheadMs = 0;
  return {
    ...machine,
    now: () => machine.now() + aheadMs,
    jump: (ms) => void (aheadMs += ms),
  };
}

/** Returns how much processor time the work took, ms: what else the machine does meanwhile counts nothing. */
export function cpuMsOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Resolves when `check` holds; rejects after `timeoutMs` with what it is waiting for. */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  timeoutMs = patienceMs,
  everyMs = 5,
): Promise<void> {
  const deadlineAt = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > deadlineAt) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
