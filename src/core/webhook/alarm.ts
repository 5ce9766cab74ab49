import type { Clock } from '../../model/time.ts';

/** One timer for many times: it rings at the earliest, and is set anew for the others by whom it wakes. */
interface Alarm {
  /** Makes it ring at this time (Unix ms) unless it rings before. */
  setFor(at: number): void;
  /** Rings no more. */
  close(): void;
}

/** Returns an alarm that is not set. It rings after `longestMs` at the latest, so that a clock set back does not silence it. */
export function createAlarm({
  clock,
  longestMs,
  ring,
}: {
  clock: Pick<Clock, 'now'>;
  longestMs: number;
  ring(): void;
}): Alarm {
  let timer: NodeJS.Timeout | null = null;
  let timerAt = Infinity;
  let closed = false;

  return {
    setFor(at) {
      if (closed || at >= timerAt) return;
      if (timer) clearTimeout(timer);
      timerAt = at;
      const onTime = (): void => {
        timerAt = Infinity;
        ring();
      };
      timer = setTimeout(onTime, Math.min(Math.max(at - clock.now(), 1), longestMs));
    },

    close() {
      closed = true;
      if (timer) clearTimeout(timer);
    },
  };
}
