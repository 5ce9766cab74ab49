import type { DeliveryState, Endpoint } from '../../model/webhook.ts';
import type { EndpointHealth } from '../../store/webhooks.ts';

/** When failed deliveries are tried again, and when an endpoint is left alone. */
export interface WebhookPolicy {
  /** Waiting time after the first, second … failure; after the last of them a delivery has failed for good. */
  retryDelaysMs: readonly number[];
  /** Share by which a waiting time is varied, up and down. */
  jitter: number;
  /** Least waiting time after a timeout, a 429, 502, 503 or 504. */
  throttledDelayMs: number;
  /** A connection that fails sooner than this is tried once more at once. */
  instantRetryMs: number;
  /** A chat waits for a delivery of its own that failed fewer times than this; then later ones pass it. */
  holdAttempts: number;
  /** Failures in a row after which the endpoint is left alone. */
  breakerFailures: number;
  /** For how long, doubled with each further failure. */
  breakerOpenMs: number;
  breakerMaxOpenMs: number;
  /** An endpoint is disabled when it has been failing for so long … */
  disableAfterMs: number;
  /** … and so many deliveries have failed for good. */
  disableExhausted: number;
  /** How often the worker looks for what another process has changed, and whether the clock was set back. */
  scanMs: number;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** Svix's schedule: eight tries in about 27.6 hours. */
export const defaultPolicy: WebhookPolicy = {
  retryDelaysMs: [5 * second, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 10 * hour],
  jitter: 0.2,
  throttledDelayMs: minute,
  instantRetryMs: second,
  holdAttempts: 3,
  breakerFailures: 5,
  breakerOpenMs: minute,
  breakerMaxOpenMs: hour,
  disableAfterMs: 120 * hour,
  disableExhausted: 10,
  scanMs: 30 * second,
};

/** Returns the policy for one endpoint: its own waiting times, where it has some, in place of the usual ones. */
export function policyOf(policy: WebhookPolicy, { retrySeconds }: Pick<Endpoint, 'retrySeconds'>): WebhookPolicy {
  return retrySeconds === null ? policy : { ...policy, retryDelaysMs: retrySeconds.map((seconds) => seconds * second) };
}

/** What came of one try: an answer, or why there was none. */
export interface TryOutcome {
  /** Null when no answer came. */
  status: number | null;
  /** In generic words, null when an answer came. */
  error: string | null;
  /** True when no answer came in time. */
  timedOut: boolean;
  retryAfterSeconds: number | null;
  response: string | null;
  durationMs: number;
}

const throttleStatuses = new Set([429, 502, 503, 504]);

/** Tells whether the receiver took it: 2xx, nothing else (a redirect is not followed and is a failure). */
export function isSuccess({ status }: TryOutcome): boolean {
  return status !== null && status >= 200 && status < 300;
}

/** Returns what becomes of a delivery after its `attempt`-th try. `random` is in 0 … 1. */
export function nextStep(input: {
  policy: WebhookPolicy;
  outcome: TryOutcome;
  attempt: number;
  now: number;
  random: number;
}): { state: DeliveryState; dueAt: number } {
  const { policy, outcome, attempt, now } = input;
  if (isSuccess(outcome)) return { state: 'delivered', dueAt: now };
  const planned = policy.retryDelaysMs[attempt - 1];
  // 410 means that nothing will ever be taken there again (Standard Webhooks).
  if (outcome.status === 410 || planned === undefined) return { state: 'failed', dueAt: now };

  const throttled = outcome.timedOut || throttleStatuses.has(outcome.status ?? 0);
  const base = throttled ? Math.max(planned, policy.throttledDelayMs) : planned;
  const varied = base * (1 + policy.jitter * (2 * input.random - 1));
  const asked = (outcome.retryAfterSeconds ?? 0) * second;
  // The receiver may ask for up to twice the planned time, never for less than it.
  return { state: 'retry', dueAt: now + Math.round(asked > 0 ? Math.min(Math.max(asked, base), 2 * base) : varied) };
}

/** The health of an endpoint that has no failure. */
export const healthy: EndpointHealth = { failStreak: 0, firstFailureAt: null, exhausted: 0, openUntil: null };

/** Returns the endpoint's health after a failed delivery; failures of requests that were under way when it opened count no further. */
export function afterFailure(policy: WebhookPolicy, health: EndpointHealth, now: number): EndpointHealth {
  if (breakerState(health, now, policy) === 'open') return health;
  const failStreak = health.failStreak + 1;
  const doublings = failStreak - policy.breakerFailures;
  const openUntil =
    doublings < 0 ? null : now + Math.min(policy.breakerOpenMs * 2 ** doublings, policy.breakerMaxOpenMs);
  return { ...health, failStreak, firstFailureAt: health.firstFailureAt ?? now, openUntil };
}

/** Tells whether the endpoint has been failing for so long that it is to be disabled. */
export function isHopeless(policy: WebhookPolicy, { firstFailureAt, exhausted }: EndpointHealth, now: number): boolean {
  return (
    firstFailureAt !== null && now - firstFailureAt >= policy.disableAfterMs && exhausted >= policy.disableExhausted
  );
}

/** Returns the longest that a retry ever waits. */
export function longestWaitMs({ retryDelaysMs, throttledDelayMs }: WebhookPolicy): number {
  return 2 * Math.max(throttledDelayMs, ...retryDelaysMs);
}

/** What the breaker allows: everything, one probe, or nothing. A time further off than it can be is of a clock that was set back since. */
export function breakerState(
  { openUntil }: EndpointHealth,
  now: number,
  { breakerMaxOpenMs }: Pick<WebhookPolicy, 'breakerMaxOpenMs'> = defaultPolicy,
): 'closed' | 'half-open' | 'open' {
  if (openUntil === null) return 'closed';
  return now < openUntil && openUntil - now <= breakerMaxOpenMs ? 'open' : 'half-open';
}
