import ipaddr from 'ipaddr.js';
import type { Logger } from 'pino';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';

/** Where a caller stands within a minute. */
export interface LimitState {
  /** Which limit it is: `ip`, `default`, or another name of the dialect's. */
  policy: string;
  limit: number;
  used: number;
  remaining: number;
  /** Milliseconds until the window ends. */
  resetMs: number;
  exceeded: boolean;
}

/** A count of calls per minute and key. */
export interface Limiter {
  /** Counts one call; null when the counting itself failed, which never refuses anybody. */
  take(key: string): Promise<LimitState | null>;
}

/** The part of rate-limiter-flexible that is used: rejects with a `RateLimiterRes` over the limit, with an Error when it is broken. */
export interface Counter {
  consume(key: string): Promise<RateLimiterRes>;
}

const windowSeconds = 60;

/** Returns a limiter of `perMinute` calls in a window that begins with the first call. */
export function createLimiter(input: { policy: string; perMinute: number; log: Logger; counter?: Counter }): Limiter {
  const counter = input.counter ?? new RateLimiterMemory({ points: input.perMinute, duration: windowSeconds });

  function stateOf(result: RateLimiterRes, exceeded: boolean): LimitState {
    const used = result.consumedPoints;
    return {
      policy: input.policy,
      limit: input.perMinute,
      used,
      remaining: Math.max(0, input.perMinute - used),
      // The counter ends its window by a timer, and tells it by a clock that may have been set back since.
      resetMs: Math.min(Math.max(result.msBeforeNext, 0), windowSeconds * 1000),
      exceeded,
    };
  }

  async function take(key: string): Promise<LimitState | null> {
    try {
      return stateOf(await counter.consume(key), false);
    } catch (error) {
      if (error instanceof RateLimiterRes) return stateOf(error, true);
      input.log.error({ err: error }, 'rate limiter failed');
      return null;
    }
  }

  return { take };
}

/** Returns what an address counts as: IPv4 as it is, IPv6 by its /64, since a household or server owns one of those. */
export function ipKey(ip: string): string {
  if (!ipaddr.isValid(ip)) return 'unknown';
  const address = ipaddr.process(ip);
  if (address instanceof ipaddr.IPv4) return address.toString();
  return `${(address as ipaddr.IPv6).parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}

/** Returns the header fields of the IETF draft (draft-ietf-httpapi-ratelimit-headers-10), for dialects that speak them. */
export function ietfLimitHeaders({ policy, limit, remaining, resetMs }: LimitState): Record<string, string> {
  return {
    'RateLimit-Policy': `"${policy}";q=${limit};w=${windowSeconds}`,
    RateLimit: `"${policy}";r=${remaining};t=${Math.ceil(resetMs / 1000)}`,
  };
}

/** Returns the state nearest to its limit. */
export function tightest(states: readonly LimitState[]): LimitState | null {
  const ordered = states.toSorted((a, b) => Number(b.exceeded) - Number(a.exceeded) || a.remaining - b.remaining);
  return ordered[0] ?? null;
}
