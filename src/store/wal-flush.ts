import { fdatasync, open } from 'node:fs';
import { promisify } from 'node:util';

const openFile = promisify(open);
const flushFile = promisify(fdatasync);

/**
 * Returns what makes SQLite's committed rows survive a power cut: SQLite itself runs with `synchronous = NORMAL`, whose commits
 * only reach the operating system, and this flushes the write-ahead log. It happens in a thread of its own, so that nothing else
 * waits, and one flush serves everybody who asked before it began.
 */
export function createWalFlush(databaseFile: string): () => Promise<void> {
  let file: number | null = null;
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;

  async function flush(): Promise<void> {
    file ??= await openFile(`${databaseFile}-wal`, 'r+');
    await flushFile(file);
  }

  /** Rows committed while a flush runs may have missed it: they wait for the one after. */
  return function flushed(): Promise<void> {
    if (!running) {
      running = flush().finally(() => (running = null));
      return running;
    }
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = null;
        return flushed();
      });
    return next;
  };
}
