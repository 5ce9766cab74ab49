import { type Clock, steadyTime } from '../../model/time.ts';
import { createSlots, type Slots } from '../../model/slots.ts';

/** Returns places for so many starts at a time, given out at least `staggerMs` apart: browsers that start together starve each other. */
export function createStarts(input: { concurrency: number; staggerMs: number; clock: Clock }): Pick<Slots, 'take'> {
  const { concurrency, staggerMs, clock } = input;
  const slots = createSlots(concurrency);
  const time = steadyTime(clock);
  let nextAt = Number.NEGATIVE_INFINITY;

  return {
    async take(signal) {
      const giveBack = await slots.take(signal);
      if (!giveBack) return null;
      const now = time();
      const at = Math.max(now, nextAt);
      nextAt = at + staggerMs;
      if (at > now) await clock.sleep(at - now, signal).catch(() => undefined);
      if (!signal.aborted) return giveBack;
      giveBack();
      return null;
    },
  };
}
