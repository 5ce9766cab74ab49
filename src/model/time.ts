/** The clock and the timers, passed in so that tests and simulations can hold them. */
export interface Clock {
  /** Unix ms. */
  now(): number;
  /** Resolves after `ms`, or at once with a rejection when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Returns the machine's clock. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(finish, ms);
        function finish() {
          signal?.removeEventListener('abort', abort);
          resolve();
        }
        function abort() {
          clearTimeout(timer);
          reject(new Error('aborted'));
        }
        signal?.addEventListener('abort', abort, { once: true });
        if (signal?.aborted) abort();
      }),
  };
}

/** Returns the time by a clock that never goes back: it stands still while the other one is set back. For spans, not for dates. */
export function steadyTime({ now }: Pick<Clock, 'now'>): () => number {
  let last = now();
  let steady = last;
  return () => {
    const seen = now();
    steady += Math.max(0, seen - last);
    last = seen;
    return steady;
  };
}

/**
 * Returns the Unix ms of an ISO 8601 time, by UTC where it names no offset, or NaN. It has a day of the calendar, and nothing
 * beside what it says: `Date.parse` takes 30 February for 2 March, and much else by the clock of the machine.
 */
export function parseIsoTime(text: string): number {
  const [, day, time = '00:00', offset = 'Z'] = isoTime.exec(text) ?? [];
  if (day === undefined || Number(day.slice(8)) > daysOf(day)) return Number.NaN;
  return Date.parse(`${day}T${time}${offset.toUpperCase()}`);
}

const isoTime = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(Z|[+-]\d\d:?\d\d)?)?$/i;

/** Days of the month in which an ISO day lies. */
function daysOf(day: string): number {
  return new Date(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(5, 7)), 0)).getUTCDate();
}

/**
 * Returns the promise's value, or rejects with `Error(message)` after `timeoutMs`; the work itself goes on unheard.
 */
export async function withTimeout<T>(work: Promise<T>, timeoutMs: number, message: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}
