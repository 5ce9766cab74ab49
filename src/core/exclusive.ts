/** Runs works of one key one after another, works of different keys side by side. */
export type Exclusive = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Returns a runner; it remembers a key only while work of that key waits or runs. */
export function createExclusive(): Exclusive {
  const last = new Map<string, Promise<unknown>>();

  return function exclusive<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (last.get(key) ?? Promise.resolve()).then(work, work);
    const settled = turn
      .catch(() => undefined)
      .finally(() => {
        if (last.get(key) === settled) last.delete(key);
      });
    last.set(key, settled);
    return turn;
  };
}
