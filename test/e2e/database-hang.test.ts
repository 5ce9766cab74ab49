import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { withDatabaseLoad } from '../support/database-load.ts';
import { hasMariadb } from '../support/mariadb.ts';

const databaseTimeoutMs = 2_000;
const swift = {
  median_seconds: 0.3,
  min_seconds: 0.2,
  max_seconds: 0.5,
  break_every_min: 0,
  break_every_max: 0,
  daily_cap: 10_000,
  new_chat_cap: 10_000,
  warm_up: false,
};
/** For a connection and a statement; the rest is for a machine that has other things to do. */
const answerMs = databaseTimeoutMs * 1.5 + 3_000;
/** Short ones end before anything is given up, the long one after everything was. */
const hangsMs = [1_000, 9_000, 3_000];

async function statusOf(url: string): Promise<{ status: number; ms: number; text: string }> {
  const startedAt = performance.now();
  const response = await fetch(url);
  return { status: response.status, text: await response.text(), ms: performance.now() - startedAt };
}

describe.skipIf(!hasMariadb)('MariaDB that hangs under load (skipped where mariadbd is not installed)', () => {
  it('costs 503s in time, no message, no webhook, and doubles none', { timeout: 300_000 }, () =>
    withDatabaseLoad({ DATABASE_TIMEOUT_MS: String(databaseTimeoutMs) }, async (bed) => {
      const { mariadb, gateway, call, instanceId, accepted, refused, written, arrivals, told } = bed;
      const campaign = await call('campaigns.create_and_start_campaign', {
        instance_id: instanceId,
        campaign_name: 'While it hangs',
        message: 'campaign {{phone}}',
        recipients: Array.from({ length: 40 }, (_, index) => `2557571${String(index).padStart(5, '0')}`),
        pacing: swift,
        quiet_hours: false,
      });
      expect(campaign.status).toBe(200);

      bed.begin();
      for (const hangMs of hangsMs) {
        await sleep(1_000);
        mariadb.signal('SIGSTOP');
        const goesOnAt = performance.now() + hangMs;
        const isLong = hangMs > answerMs;
        const health = await statusOf(`${gateway.url}/healthz`);
        expect(health).toMatchObject({ status: 200 });
        expect(health.ms).toBeLessThan(1_000);
        if (isLong) {
          const readiness = await statusOf(`${gateway.url}/readyz`);
          expect(readiness).toMatchObject({
            status: 503,
            text: expect.stringContaining('"database":"does not answer"'),
          });
          expect(readiness.ms).toBeLessThan(4_500);
        }
        await sleep(Math.max(0, goesOnAt - performance.now()));
        mariadb.signal('SIGCONT');
        const before = accepted.size;
        await until('sends are accepted again', () => accepted.size > before + 5, 20_000);
      }
      await sleep(1_000);
      await bed.end();

      const isCompleted = async () =>
        (await call('campaigns.campaign_status', { campaign: 'WAP-CAM-0001' })).json.status === 'completed';
      await until('the campaign is completed', isCompleted, 60_000).catch(() => undefined);
      await until('everything has arrived', bed.gather).catch(() => undefined);

      expect(bed.missing()).toEqual({ lost: [], untold: [] });
      expect([...arrivals, ...told].filter(([, ids]) => ids.size > 1)).toEqual([]);
      // What was refused in a hang is not sent, then or later.
      expect([...refused.keys()].filter((text) => arrivals.has(text))).toEqual([]);
      for (const answer of refused.values()) expect(answer).toEqual({ status: 503, code: 'unavailable' });
      expect(refused.size).toBeGreaterThan(0);
      expect(accepted.size).toBeGreaterThan(20);
      expect(written.size).toBeGreaterThan(20);
      expect(bed.longestMs()).toBeLessThan(answerMs);
      const status = (await call('campaigns.campaign_status', { campaign: 'WAP-CAM-0001' })).json;
      expect(status).toMatchObject({ status: 'completed', total: 40, queued: 0, sending: 0, failed: 0 });
      expect([...arrivals.keys()].filter((text) => text.startsWith('campaign '))).toHaveLength(40);
    }),
  );
});
