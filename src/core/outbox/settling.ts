import type { Message } from '../../model/message.ts';

/** Callers that wait for the result of a send. */
export interface Settling {
  /** Returns the message once it is settled, null after `waitMs`. */
  settled(messageId: string, waitMs: number): Promise<Message | null>;
  settle(message: Message): void;
  close(): void;
}

/** Returns the waiting room of sends: message id → who waits. */
export function createSettling(): Settling {
  const waiting = new Map<string, Set<(message: Message | null) => void>>();

  return {
    settled(messageId, waitMs) {
      if (waitMs <= 0) return Promise.resolve(null);
      return new Promise((resolve) => {
        const waiters = waiting.get(messageId) ?? new Set();
        waiting.set(messageId, waiters);
        const timer = setTimeout(finish, waitMs, null);
        function finish(message: Message | null) {
          clearTimeout(timer);
          waiters.delete(finish);
          if (waiters.size === 0) waiting.delete(messageId);
          resolve(message);
        }
        waiters.add(finish);
      });
    },

    settle(message) {
      for (const finish of waiting.get(message.id) ?? []) finish(message);
    },

    close() {
      for (const waiters of waiting.values()) for (const finish of waiters) finish(null);
    },
  };
}
