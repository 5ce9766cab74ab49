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
