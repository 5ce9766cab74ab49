import type { DeliveryEnd } from './delivery.ts';
import type { Finished } from './finisher.ts';
import { dropReady, type Job, type Lane } from './lane.ts';
import { afterFailure, healthy, isHopeless, isSuccess, nextStep, policyOf, type WebhookPolicy } from './schedule.ts';

/** What happened to the endpoint with this delivery. */
export type EndpointChange = 'none' | 'back' | 'left alone' | 'gone' | 'given up';

/** What follows from the end of one delivery. */
interface Settled {
  finished: Finished;
  change: EndpointChange;
  /** Unix ms at which the lane must be looked at again. */
  wakeAt: number | null;
}

/** Returns what follows from the end of a delivery, and brings its lane up to date. `random` is in 0 … 1. */
export function settle(input: {
  lane: Lane;
  job: Job;
  end: DeliveryEnd;
  policy: WebhookPolicy;
  now: number;
  random: number;
}): Settled {
  const { lane, job, end, policy, now } = input;
  const attempt = job.delivery.attempt + 1;
  // An answer to the endpoint as it was before it was set anew says nothing about it as it is now.
  const moved = end.asked && (lane.stale || end.endpoint.url !== lane.endpoint.url) && !isSuccess(end.outcome);
  const step = stepOf();
  const finished: Finished = {
    endpoint: end.endpoint,
    result: { id: job.delivery.id, attempt, ...step },
    attempts: end.attempts,
  };

  if (step.state === 'retry') holdBack(lane, job, attempt < policy.holdAttempts);
  const change = end.asked && !moved ? noteHealth(input, finished, step.state === 'failed') : 'none';
  const wakeAts = [
    step.state === 'retry' ? step.dueAt : null,
    change === 'left alone' ? lane.health.openUntil : null,
  ].filter((at) => at !== null);
  return { finished, change, wakeAt: wakeAts.length > 0 ? Math.min(...wakeAts) : null };

  function stepOf() {
    if (moved) return { state: 'retry' as const, dueAt: now };
    if (end.final) return { state: 'failed' as const, dueAt: now };
    return nextStep({
      policy: policyOf(policy, lane.endpoint),
      outcome: end.outcome,
      attempt,
      now,
      random: input.random,
    });
  }
}

/** What follows in the chat waits for the retry, the first times; what is loaded of it is let go. */
function holdBack(lane: Lane, job: Job, hold: boolean): void {
  lane.retries = true;
  lane.writeFirst = true;
  if (!hold) return;
  lane.held.add(job.delivery.event.orderKey);
  dropReady(lane, job.delivery.event.orderKey);
}

function noteHealth(
  { lane, end: { outcome }, policy, now }: Parameters<typeof settle>[0],
  finished: Finished,
  exhausted: boolean,
): EndpointChange {
  const before = lane.health;
  if (isSuccess(outcome)) {
    if (before.failStreak === 0) return 'none';
    lane.health = finished.health = healthy;
    if (before.openUntil === null) return 'none';
    // The receiver is back: everything that waits is due now, and goes out in its old order.
    finished.recovered = true;
    lane.writeFirst = lane.retries = lane.more = true;
    dropReady(lane);
    return 'back';
  }
  if (outcome.status === 410) {
    disable(lane, finished, 'The receiver answered 410 Gone');
    return 'gone';
  }
  const after = afterFailure(policy, before, now);
  lane.health = exhausted ? { ...after, exhausted: after.exhausted + 1 } : after;
  if (isHopeless(policy, lane.health, now)) {
    const since = new Date(lane.health.firstFailureAt ?? now).toISOString();
    disable(lane, finished, `Nothing was taken since ${since}: ${lane.health.exhausted} deliveries failed for good`);
    return 'given up';
  }
  if (lane.health === before) return 'none';
  finished.health = lane.health;
  if (after === before || lane.health.openUntil === null) return 'none';
  dropReady(lane);
  return 'left alone';
}

/** Nothing more goes out; the next load writes this down, finds the endpoint disabled and lets the lane go. */
function disable(lane: Lane, finished: Finished, reason: string): void {
  finished.disabledReason = reason;
  finished.health = healthy;
  lane.health = { ...lane.health, openUntil: Infinity };
  lane.writeFirst = lane.more = true;
  dropReady(lane);
}
