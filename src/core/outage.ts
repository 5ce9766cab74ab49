import { toGatewayError } from '../model/errors.ts';
import type { Clock } from '../model/time.ts';

/** Ten minutes; then the next start takes it up. */
const attempts = 600;
const pauseMs = 1_000;

/** Returns what the work gives, and waits for a database that is away; what else goes wrong will go wrong again. */
export async function outlastOutage<T>(clock: Pick<Clock, 'sleep'>, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt >= attempts || toGatewayError(error).code !== 'unavailable') throw error;
      await clock.sleep(pauseMs);
    }
  }
}
