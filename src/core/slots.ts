/** A number of places; who finds none waits in line. */
export interface Slots {
  /** Resolves to what gives the place back (calling it twice changes nothing), or to null when the signal aborts first. */
  take(signal: AbortSignal): Promise<(() => void) | null>;
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

  return {
    take(signal) {
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
    },
  };
}
