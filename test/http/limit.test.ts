import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createLimiter, ietfLimitHeaders, ipKey, tightest } from '../../src/http/limit.ts';

const log = pino({ level: 'silent' });

describe('createLimiter', () => {
  it('counts down per key and says when it is over', async () => {
    const limiter = createLimiter({ policy: 'default', perMinute: 2, log });
    expect(await limiter.take('a')).toMatchObject({ limit: 2, used: 1, remaining: 1, exceeded: false });
    expect(await limiter.take('a')).toMatchObject({ used: 2, remaining: 0, exceeded: false });
    expect(await limiter.take('a')).toMatchObject({ used: 3, remaining: 0, exceeded: true });
    expect(await limiter.take('b')).toMatchObject({ remaining: 1, exceeded: false });
  });

  it('refuses nobody when the counting itself fails', async () => {
    const limiter = createLimiter({
      policy: 'default',
      perMinute: 1,
      log,
      counter: { consume: () => Promise.reject(new Error('store is down')) },
    });
    expect(await limiter.take('a')).toBeNull();
  });
});

describe('ietfLimitHeaders', () => {
  it('says the policy and where the caller stands, as structured fields', async () => {
    const limiter = createLimiter({ policy: 'sms', perMinute: 20, log });
    const headers = ietfLimitHeaders((await limiter.take('a'))!);
    expect(headers['RateLimit-Policy']).toBe('"sms";q=20;w=60');
    expect(headers.RateLimit).toMatch(/^"sms";r=19;t=(60|59)$/);
  });
});

describe('ipKey', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['', 'unknown'],
  ])('counts %s as %s', (ip, key) => {
    expect(ipKey(ip)).toBe(key);
  });
});

describe('tightest', () => {
  it('is the state that is over, else the one with least left', () => {
    const state = (remaining: number, exceeded = false) => ({
      policy: 'default',
      limit: 9,
      used: 9 - remaining,
      remaining,
      resetMs: 1,
      exceeded,
    });
    expect(tightest([state(5), state(2)])?.remaining).toBe(2);
    expect(tightest([state(0), state(0, true)])?.exceeded).toBe(true);
    expect(tightest([])).toBeNull();
  });
});
