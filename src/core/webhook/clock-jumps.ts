import type { Clock } from '../../model/time.ts';
import type { Database } from '../../store/database.ts';
import type { DeliveryStore } from '../../store/deliveries.ts';
import type { StoredEndpoint } from '../../store/webhooks.ts';
import { longestWaitMs, policyOf, type WebhookPolicy } from './schedule.ts';

interface ClockJumpsDeps {
  database: Database;
  deliveries: Pick<DeliveryStore, 'pullForward'>;
  policy: WebhookPolicy;
  clock: Pick<Clock, 'now'>;
}

/** What keeps retries going when the clock of the machine is set back. */
interface ClockJumps {
  /** Makes retries of these endpoints due now that wait for a time which never comes. To be asked at the start and then regularly. */
  mind(endpoints: readonly Pick<StoredEndpoint, 'id' | 'retrySeconds'>[]): Promise<void>;
}

/** Returns the keeper; a clock that was set back before it began is noticed by waits longer than any it makes. */
export function createClockJumps({ database, deliveries, policy, clock }: ClockJumpsDeps): ClockJumps {
  let askedAt: number | null = null;

  return {
    async mind(endpoints) {
      const now = clock.now();
      const isFirst = askedAt === null;
      const wasSetBack = askedAt !== null && now < askedAt;
      if (wasSetBack || isFirst)
        for (const endpoint of endpoints) {
          const dueAfter = wasSetBack ? now : now + longestWaitMs(policyOf(policy, endpoint));
          await database.transaction((trx) => deliveries.pullForward(trx, endpoint.id, now, dueAfter));
        }
      askedAt = now;
    },
  };
}
