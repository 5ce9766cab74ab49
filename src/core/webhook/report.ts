import type { Logger } from 'pino';
import type { DeliveryEnd } from './delivery.ts';
import type { Finished } from './finisher.ts';
import type { Job, Lane } from './lane.ts';
import type { EndpointChange } from './settle.ts';

interface Try {
  lane: Lane;
  job: Job;
  end: DeliveryEnd;
  finished: Finished;
  change: EndpointChange;
}

/** Writes to the log what became of one request, and of its receiver when that changed. */
export function reportTry(log: Logger, { lane, job, end, finished, change }: Try): void {
  const { delivery, message } = job;
  const { event } = delivery;
  const { outcome } = end;
  const { result, endpoint } = finished;
  const fields = {
    instance: event.instanceId ?? undefined,
    message: message?.waId,
    event: event.type,
    endpoint: endpoint.id,
    delivery: result.id,
    attempt: result.attempt,
    status: outcome.status,
    error: outcome.error,
    ms: outcome.durationMs,
  };
  if (result.state === 'delivered') log.debug(fields, 'webhook delivered');
  else if (result.state === 'retry')
    log.warn({ ...fields, retryAt: result.dueAt }, 'webhook failed, to be tried again');
  else log.error(fields, 'webhook failed for good');
  if (change !== 'none')
    log.warn(
      { endpoint: endpoint.id, failures: lane.health.failStreak, until: lane.health.openUntil },
      `webhook receiver is ${change}`,
    );
}
