import type { Logger } from 'pino';
import { reasonOf } from '../../model/errors.ts';
import type { Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { Lane, Lanes } from './lanes.ts';
import type { Recovery } from './recovery.ts';
import type { Sending } from './sending.ts';

/**
 * Messages that were on their way at the end of several pages. One may be what no page outlives, or somebody kills the gateway again and
 * again: so they wait until the page has stood for a while, and then go alone, while everything else is sent beside them.
 */
interface Suspects {
  /** Takes them over from the page that is there now; the next one finds anew what is left. */
  hold(instanceId: string, rows: readonly Message[]): void;
}

interface SuspectDeps {
  lanes: Pick<Lanes, 'of'>;
  recovery: Pick<Recovery, 'inTime' | 'claim' | 'sendable'>;
  dispatch: Sending['dispatch'];
  clock: Pick<Clock, 'sleep'>;
  log: Logger;
  /** For how long the page must have stood, ms. */
  steadyMs: number;
}

const pollMs = 200;
const retryMs = 1_000;

/** Returns who hands suspects over. */
export function createSuspects({ lanes, recovery, dispatch, clock, log, steadyMs }: SuspectDeps): Suspects {
  async function work(instanceId: string, lane: Lane): Promise<void> {
    const { turn, client } = lane;
    const isGone = () => lane.turn !== turn || lane.client !== client;
    for (let stoodMs = 0; stoodMs < steadyMs && !isGone(); stoodMs += pollMs) await clock.sleep(pollMs);
    while (!isGone() && lane.suspects.size > 0) {
      const [first] = lane.suspects.values();
      try {
        if (lane.draining) await clock.sleep(pollMs);
        else await handOver(first!);
      } catch (error) {
        log.error({ instance: instanceId, error: reasonOf(error) }, 'a message could not be taken up: trying again');
        await clock.sleep(retryMs);
      }
    }

    async function handOver(message: Message): Promise<void> {
      lane.reserved += 1;
      try {
        const timely = await recovery.inTime(instanceId, client!, [message]);
        const claimed = await recovery.claim(client!, timely);
        const rows = await recovery.sendable(instanceId, client!, claimed);
        if (isGone()) return;
        void dispatch(instanceId, rows);
      } finally {
        lane.reserved -= 1;
      }
      while (!isGone() && lane.inFlight.has(message.waId)) await clock.sleep(pollMs);
      if (!isGone()) lane.suspects.delete(message.waId);
    }
  }

  return {
    hold(instanceId, rows) {
      const lane = lanes.of(instanceId);
      const isWorking = lane.suspects.size > 0;
      for (const message of rows) lane.suspects.set(message.waId, message);
      if (!isWorking && rows.length > 0) void work(instanceId, lane);
    },
  };
}
