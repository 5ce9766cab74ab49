/** A number of places; who finds none waits in line. */
export interface Slots {
  /** Resolves to what gives the place back (calling it twice changes nothing), or to null when the signal aborts first. */
  take(signal: AbortSignal): Promise<(() => void) | null>;
  /** Does the work in a place, however long it waits for one. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Returns `count` places. */
export function createSlots(count: number): Slots {
  let free = count;
  const waiting: (() => void)[] = [];

  function giveBack(): void {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }

  function place(): () => void {
    let held = true;
    return () => {
      if (held) giveBack();
      held = false;
    };
  }

  function take(signal: AbortSignal): Promise<(() => void) | null> {
    if (signal.aborted) return Promise.resolve(null);
    if (free > 0) {
      free -= 1;
      return Promise.resolve(place());
    }
    return new Promise((resolve) => {
      const turn = () => {
        signal.removeEventListener('abort', leave);
        resolve(place());
      };
      const leave = () => {
        waiting.splice(waiting.indexOf(turn), 1);
        resolve(null);
      };
      waiting.push(turn);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  return {
    take,

    async run(work) {
      const release = await take(new AbortController().signal);
      try {
        return await work();
      } finally {
        release?.();
      }
    },
  };
}
