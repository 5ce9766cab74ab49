import { describe, expect, it } from 'vitest';
import { signWebhook } from '../../../src/core/webhook/request.ts';
import {
  afterFailure,
  breakerState,
  defaultPolicy,
  healthy,
  longestWaitMs,
  nextStep,
  policyOf,
  type TryOutcome,
} from '../../../src/core/webhook/schedule.ts';
import type { EndpointHealth } from '../../../src/store/webhooks.ts';

const now = 1_800_000_000_000;
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

function outcome(patch: Partial<TryOutcome> = {}): TryOutcome {
  return {
    status: 500,
    error: null,
    timedOut: false,
    retryAfterSeconds: null,
    response: null,
    durationMs: 5,
    ...patch,
  };
}

function waitMs(patch: Partial<TryOutcome>, attempt = 1, random = 0.5): number {
  return nextStep({ policy: defaultPolicy, outcome: outcome(patch), attempt, now, random }).dueAt - now;
}

describe('the retry schedule', () => {
  it('is Svix’s: eight tries in about 27.6 hours', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7].map((attempt) => waitMs({}, attempt));
    expect(waits).toEqual([5 * second, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 10 * hour]);
    expect(nextStep({ policy: defaultPolicy, outcome: outcome(), attempt: 8, now, random: 0.5 }).state).toBe('failed');
  });

  it('varies by a fifth up and down', () => {
    expect([waitMs({}, 2, 0), waitMs({}, 2, 1)]).toEqual([4 * minute, 6 * minute]);
  });

  it.each([{ timedOut: true, status: null }, { status: 429 }, { status: 502 }, { status: 503 }, { status: 504 }])(
    'waits at least a minute after %j',
    (patch) => {
      expect(waitMs(patch)).toBe(minute);
      expect(waitMs(patch, 2)).toBe(5 * minute);
    },
  );

  it.each([
    [1, 5],
    [7, 7],
    [3600, 10],
  ])('takes Retry-After %i for %i seconds', (asked, given) => {
    expect(waitMs({ retryAfterSeconds: asked })).toBe(given * second);
  });

  it.each([200, 201, 204, 299])('takes %i for success', (status) => {
    expect(nextStep({ policy: defaultPolicy, outcome: outcome({ status }), attempt: 1, now, random: 0 }).state).toBe(
      'delivered',
    );
  });

  it.each([100, 199, 300, 301, 304, 400, 404, 500])('takes %i for a failure', (status) => {
    expect(nextStep({ policy: defaultPolicy, outcome: outcome({ status }), attempt: 1, now, random: 0 }).state).toBe(
      'retry',
    );
  });

  it('does not try again after 410', () => {
    expect(
      nextStep({ policy: defaultPolicy, outcome: outcome({ status: 410 }), attempt: 1, now, random: 0 }).state,
    ).toBe('failed');
  });
});

describe('a schedule of the endpoint’s own', () => {
  const step = (retrySeconds: number[] | null, attempt: number, patch: Partial<TryOutcome> = {}, random = 0.5) => {
    const policy = policyOf(defaultPolicy, { retrySeconds });
    const { state, dueAt } = nextStep({ policy, outcome: outcome(patch), attempt, now, random });
    return [state, (dueAt - now) / second];
  };

  it('stands in place of the usual one, and ends the delivery after its last wait', () => {
    expect([1, 2, 3].map((attempt) => step([7, 90], attempt))).toEqual([['retry', 7], ['retry', 90], ['failed', 0]]); // prettier-ignore
    expect(step([], 1)).toEqual(['failed', 0]);
    expect(step(null, 1)).toEqual(['retry', 5]);
    expect(step(null, 8)).toEqual(['failed', 0]);
  });

  it('is varied, kept to a minute after 429 and timeouts, and stretched by Retry-After as the usual one', () => {
    expect([step([100], 1, {}, 0), step([100], 1, {}, 1)]).toEqual([['retry', 80], ['retry', 120]]); // prettier-ignore
    expect(step([1], 1, { status: 429 })).toEqual(['retry', 60]);
    expect(step([1], 1, { status: null, timedOut: true })).toEqual(['retry', 60]);
    expect(step([100], 1, { retryAfterSeconds: 150 })).toEqual(['retry', 150]);
    expect(step([100], 1, { retryAfterSeconds: 900 })).toEqual(['retry', 200]);
  });

  it('says how long its retries may wait', () => {
    const longest = (retrySeconds: number[] | null) => longestWaitMs(policyOf(defaultPolicy, { retrySeconds }));
    expect([[5, 86_400], [5], [], null].map(longest)).toEqual([48 * hour, 2 * minute, 2 * minute, 20 * hour]);
  });
});

describe('the breaker', () => {
  function failTimes(count: number): EndpointHealth {
    let health: EndpointHealth = healthy;
    let at = now;
    for (let index = 0; index < count; index += 1) {
      at = Math.max(at, health.openUntil ?? 0);
      health = afterFailure(defaultPolicy, health, at);
    }
    return { ...health, openUntil: health.openUntil === null ? null : health.openUntil - at };
  }

  it('opens at five failures in a row, for a minute, then twice as long each time up to an hour', () => {
    expect(failTimes(4)).toMatchObject({ failStreak: 4, openUntil: null, firstFailureAt: now });
    expect([5, 6, 7, 8, 9, 10, 11, 12, 30].map((count) => failTimes(count).openUntil)).toEqual(
      [1, 2, 4, 8, 16, 32, 60, 60, 60].map((minutes) => minutes * minute),
    );
  });

  it('does not count what was under way when it opened', () => {
    const open = { failStreak: 5, firstFailureAt: now, exhausted: 0, openUntil: now + minute };
    expect(afterFailure(defaultPolicy, open, now + second)).toBe(open);
  });

  it('lets one probe through when its time is over', () => {
    const health = { failStreak: 5, firstFailureAt: now, exhausted: 0, openUntil: now + minute };
    expect([breakerState(healthy, now), breakerState(health, now), breakerState(health, now + minute)]).toEqual([
      'closed',
      'open',
      'half-open',
    ]);
  });
});

describe('the signature', () => {
  it('is that of the Standard Webhooks test vector', () => {
    const signature = signWebhook({
      secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestamp: '1614265330',
      body: '{"test": 2432232314}',
    });
    expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });
});
