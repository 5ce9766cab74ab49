import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { withDatabaseLoad } from '../support/database-load.ts';
import { hasMariadb } from '../support/mariadb.ts';

const restarts = 3;

describe.skipIf(!hasMariadb)(
  'MariaDB killed and started again under load (skipped where mariadbd is not installed)',
  () => {
    it('costs clear 503s, no message, no webhook, and doubles none', { timeout: 240_000 }, () =>
      withDatabaseLoad({}, async (bed) => {
        const { mariadb, gateway, accepted, refused, written, arrivals, told } = bed;
        bed.begin();
        for (let restart = 0; restart < restarts; restart += 1) {
          await sleep(1_000);
          await mariadb.kill();
          await until('it is not ready', async () => (await fetch(`${gateway.url}/readyz`)).status === 503);
          await sleep(1_500);
          expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200);
          await mariadb.start();
          const before = accepted.size;
          await until('sends are accepted again', () => accepted.size > before, 20_000);
        }
        await until('there was load', () => accepted.size > 20 && written.size > 20 && refused.size > 0);
        await sleep(1_000);
        await bed.end();

        await until('everything has arrived', bed.gather).catch(() => undefined);
        expect(bed.missing()).toEqual({ lost: [], untold: [] });
        expect([...arrivals, ...told].filter(([, ids]) => ids.size > 1)).toEqual([]);
        // A refused call may have been kept before the connection broke, never sent twice; its answer is clear.
        for (const answer of refused.values()) expect(answer).toEqual({ status: 503, code: 'unavailable' });
        expect(refused.size).toBeGreaterThan(0);
        expect(accepted.size).toBeGreaterThan(20);
        expect(written.size).toBeGreaterThan(20);
      }),
    );
  },
);
