import type { Clock } from '../../model/time.ts';
import type { Database } from '../../store/database.ts';
import type { DeliveryStore } from '../../store/deliveries.ts';
import { longestWaitMs, type WebhookPolicy } from './schedule.ts';

interface ClockJumpsDeps {
  database: Database;
  deliveries: Pick<DeliveryStore, 'pullForward'>;
  policy: WebhookPolicy;
  clock: Pick<Clock, 'now'>;
}

/** What keeps retries going when the clock of the machine is set back. */
interface ClockJumps {
  /** Makes retries of these endpoints due now that wait for a time which never comes. To be asked at the start and then regularly. */
  mind(endpointIds: readonly string[]): Promise<void>;
}

/** Returns the keeper; a clock that was set back before it began is noticed by waits longer than any it makes. */
export function createClockJumps({ database, deliveries, policy, clock }: ClockJumpsDeps): ClockJumps {
  let askedAt: number | null = null;

  return {
    async mind(endpointIds) {
      const now = clock.now();
      const isFirst = askedAt === null;
      const wasSetBack = askedAt !== null && now < askedAt;
      const dueAfter = wasSetBack ? now : now + longestWaitMs(policy);
      if (wasSetBack || isFirst)
        for (const id of endpointIds)
          await database.transaction((trx) => deliveries.pullForward(trx, id, now, dueAfter));
      askedAt = now;
    },
  };
}
