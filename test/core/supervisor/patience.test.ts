import { describe, expect, it } from 'vitest';
import { backoffMs } from '../../../src/core/supervisor/backoff.ts';
import { createHeartbeat } from '../../../src/core/supervisor/heartbeat.ts';
import { usualLimits } from '../../../src/core/supervisor/limits.ts';
import { createStarts } from '../../../src/core/supervisor/starts.ts';

const second = 1_000;

describe('the pause after failures', () => {
  const pauses = (random: number) =>
    Array.from({ length: 9 }, (_, index) =>
      backoffMs({ failures: index + 1, firstMs: usualLimits.firstPauseMs, random: () => random }),
    );

  it('is 5 s, doubled each time, five minutes at most', () => {
    expect(pauses(0.5).map((ms) => ms / second)).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  });

  it('is a fifth shorter or longer, so that instances do not come back together', () => {
    expect(pauses(0).map((ms) => ms / second)).toEqual([4, 8, 16, 32, 64, 128, 240, 240, 240]);
    expect(pauses(1).map((ms) => ms / second)).toEqual([6, 12, 24, 48, 96, 192, 300, 300, 300]);
  });
});

describe('a page', () => {
  /** Looks after a page with the usual limits; `answers` says whether it answers what is asked at that time. */
  async function foundDeadAfter(answers: (at: number) => Promise<unknown>, mostMs: number): Promise<number | null> {
    let now = 0;
    const { beatMs, probeEveryMs, silenceMs } = usualLimits;
    const heartbeat = createHeartbeat({ ask: () => answers(now), beatMs, probeEveryMs, now });
    for (; now <= mostMs; now += beatMs) {
      if (heartbeat.beat(now) >= silenceMs) return now;
      await new Promise((resolve) => setImmediate(resolve));
    }
    return null;
  }
  const silence = new Promise(() => undefined);

  it.each([0, 5, 10, 14])('that freezes %i s after it has answered is found within 75 s', async (laterSeconds) => {
    const frozenAt = 60 * second + laterSeconds * second;
    const found = await foundDeadAfter((at) => (at < frozenAt ? Promise.resolve() : silence), 600 * second);
    expect(found! - frozenAt).toBeLessThanOrEqual(75 * second);
    expect(found! - frozenAt).toBeGreaterThan(40 * second);
  });

  it('that answers is never found', async () => {
    expect(await foundDeadAfter(() => Promise.resolve(), 3_600 * second)).toBeNull();
  });
});

describe('starts', () => {
  it('are so far apart, in the order in which they were asked for, and one that is given up takes no time', async () => {
    let now = 1_000;
    const slept: number[] = [];
    const starts = createStarts({
      concurrency: 10,
      staggerMs: 2_000,
      clock: { now: () => now, sleep: async (ms) => void slept.push(ms) },
    });
    const { signal } = new AbortController();
    await Promise.all([starts.take(signal), starts.take(signal), starts.take(signal)]);
    expect(slept).toEqual([2_000, 4_000]);
    now += 60_000;
    await starts.take(signal);
    expect(slept).toHaveLength(2);
    now -= 3 * 3_600_000;
    await starts.take(signal);
    expect(slept.slice(2)).toEqual([2_000]);
  });
});
