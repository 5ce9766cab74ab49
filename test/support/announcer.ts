import type { Announcer } from '../../src/core/announcer.ts';
import type { NewEvent } from '../../src/model/events.ts';

/** Returns an announcer that adds to `events` what is committed: what is rolled back was not told. */
export function announcerInto(events: NewEvent[]): Announcer {
  return {
    enqueue: async (trx, added) =>
      void trx.executionPromise.then(
        () => events.push(...added),
        () => undefined,
      ),
  };
}
