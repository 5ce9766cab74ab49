import { toGatewayError } from '../model/errors.ts';

/** Writes items that come at the same time in one statement. */
interface GroupCommit<T> {
  /** Resolves when the item is committed; rejects with the reason its own write failed. */
  add(item: T): Promise<void>;
}

interface Waiting<T> {
  item: T;
  resolve(): void;
  reject(error: unknown): void;
}

const mostItems = 100;

/**
 * Returns a writer that gathers what arrives while the write before it runs: one disk flush then serves all of them.
 * A group that fails is written item by item, so that a bad one harms nobody else; an outage fails all of them.
 */
export function createGroupCommit<T>(write: (items: T[]) => Promise<void>): GroupCommit<T> {
  let waiting: Waiting<T>[] = [];
  let running = false;

  async function run(): Promise<void> {
    running = true;
    while (waiting.length > 0) {
      const group = waiting.slice(0, mostItems);
      waiting = waiting.slice(mostItems);
      await writeGroup(group);
    }
    running = false;
  }

  async function writeGroup(group: Waiting<T>[]): Promise<void> {
    try {
      await write(group.map(({ item }) => item));
      for (const { resolve } of group) resolve();
    } catch (error) {
      // Without a database one item fares no better than all, and each would wait for it anew.
      if (group.length === 1 || toGatewayError(error).code === 'unavailable')
        for (const { reject } of group) reject(error);
      else for (const one of group) await writeGroup([one]);
    }
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        // What else arrives in this turn joins the group.
        if (!running) {
          running = true;
          setImmediate(() => void run());
        }
      }),
  };
}
