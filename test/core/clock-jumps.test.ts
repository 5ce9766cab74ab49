import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { pino } from 'pino';
import { createAudit } from '../../src/core/audit.ts';
import { createTokens } from '../../src/core/tokens.ts';
import { breakerState, defaultPolicy, healthy } from '../../src/core/webhook/schedule.ts';
import { createLimiter } from '../../src/http/limit.ts';
import type { Clock } from '../../src/model/time.ts';
import { createAccountStore } from '../../src/store/accounts.ts';
import { createTokenStore } from '../../src/store/tokens.ts';
import { createSettableClock } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { newId } from '../support/factories.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { buildWebhooks, fastPolicy, type WebhookBench } from '../support/webhooks.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

forEachDatabase((open) => {
  let db: TestDatabase;
  let dataDir: string;
  let receiver: Receiver;
  let bench: WebhookBench | null = null;
  beforeEach(async () => {
    db = await open();
    dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-clock-'));
    receiver = await startReceiver();
  });
  afterEach(async () => {
    await bench?.stop();
    bench = null;
    await receiver.close();
    await db.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** Webhooks whose first try was refused and whose retry is due in five minutes. */
  async function withWaitingRetry(clock: Clock): Promise<WebhookBench> {
    const policy = { ...fastPolicy, retryDelaysMs: [5 * minute, 5 * minute], instantRetryMs: 0, scanMs: 50 };
    bench = await buildWebhooks(db.database, dataDir, { clock, policy });
    bench.webhooks.start();
    await bench.webhooks.set(bench.accountId, { url: receiver.url, dialect: 'plain' });
    receiver.answer((_, response) => response.writeHead(500).end());
    await bench.receive([{ text: 'a' }]);
    await receiver.received(1);
    const waits = bench;
    await expect.poll(() => waits.states()).toEqual({ retry: 1 });
    receiver.answer((_, response) => response.end('ok'));
    return bench;
  }

  it('a retry waits its time out while the clock stands right', async () => {
    const clock = createSettableClock();
    await withWaitingRetry(clock);
    await clock.sleep(300);
    expect(receiver.requests).toHaveLength(1);
  });

  it.each([
    ['forward', day],
    ['back', -day],
    ['back by less than a retry waits', -2 * minute],
  ])('a retry goes out soon after the clock was set %s', async (_name, jumpMs) => {
    const clock = createSettableClock();
    const { settled } = await withWaitingRetry(clock);
    clock.jump(jumpMs);
    await receiver.received(2);
    await settled();
    const [first, second] = receiver.requests;
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  });

  it('a retry goes out after a start whose clock is far behind', async () => {
    const clock = createSettableClock();
    await (await withWaitingRetry(clock)).stop();
    clock.jump(-day);
    const policy = { ...fastPolicy, scanMs: 50 };
    bench = await buildWebhooks(db.database, dataDir, { clock, policy });
    bench.webhooks.start();
    await receiver.received(2);
    await bench.settled();
  });

  it.each([-day, day])(
    'a token that another process revoked ends within seconds, the clock jumping by %i ms',
    async (jumpMs) => {
      const clock = createSettableClock();
      const { id: accountId } = await createAccountStore(db.database).first(clock.now());
      const deps = { database: db.database, store: createTokenStore(db.database), clock, newId };
      const tokens = createTokens({ ...deps, audit: createAudit(deps) });
      const { token, secret } = await tokens.create({ accountId, title: 'a', scope: 'full' });
      expect(await tokens.authenticate(token.key, secret)).not.toBeNull();
      await db.database.knex('tokens').update({ revoked_at: 1 });
      clock.jump(jumpMs);
      expect(await tokens.authenticate(token.key, secret)).toBeNull();
    },
  );
});

describe('with the clock set back', () => {
  afterEach(() => vi.useRealTimers());

  it('a limit still ends its window within a minute, and says so', async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000 });
    const limiter = createLimiter({ policy: 'default', perMinute: 1, log: pino({ level: 'silent' }) });
    await limiter.take('a');
    vi.setSystemTime(1_800_000_000_000 - day);
    expect(await limiter.take('a')).toMatchObject({ exceeded: true, resetMs: minute });
    vi.advanceTimersByTime(minute + 1);
    expect(await limiter.take('a')).toMatchObject({ exceeded: false, used: 1 });
  });

  it('a limit is not lifted early, nor kept longer, by a clock set forward', async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000 });
    const limiter = createLimiter({ policy: 'default', perMinute: 1, log: pino({ level: 'silent' }) });
    await limiter.take('a');
    vi.setSystemTime(1_800_000_000_000 + day);
    const state = await limiter.take('a');
    expect(state?.resetMs).toBeLessThanOrEqual(minute);
    expect(state?.resetMs).toBeGreaterThanOrEqual(0);
  });

  it('a breaker lets a probe through instead of waiting for a time that is days away', () => {
    const now = 1_800_000_000_000;
    const open = { ...healthy, failStreak: 9, openUntil: now + minute };
    expect(breakerState(open, now)).toBe('open');
    expect(breakerState(open, now - day)).toBe('half-open');
    expect(breakerState({ ...open, openUntil: now + defaultPolicy.breakerMaxOpenMs }, now)).toBe('open');
  });
});
