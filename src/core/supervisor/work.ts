import type { Logger } from 'pino';
import { actionTable } from '../../model/action.ts';
import { reasonOf, toGatewayError } from '../../model/errors.ts';
import type { Clock } from '../../model/time.ts';
import type { WhatsAppClient } from '../../whatsapp/client.ts';
import type { Amendments } from '../amendments.ts';
import type { Inbox } from '../inbox.ts';
import type { Outbox } from '../outbox.ts';
import type { Standing } from './standing.ts';

/** What a page is there for: sending what waits, and telling what came while it was away. */
interface Work {
  readonly isDown: boolean;
  /** Begins, or begins anew; what fails is tried again for as long as the page is ready. */
  takeUp(): Promise<void>;
  /** The line or the page is gone. */
  putDown(): void;
  /** Shows a restriction of the number while it lasts: it works on, but a person should know. */
  inspect(): Promise<void>;
}

const retryMs = 1_000;
const mostRetryMs = 5_000;

/** Returns the work of one page. */
export function createWork(input: {
  instanceId: string;
  client: WhatsAppClient;
  standing: Standing;
  outbox: Outbox;
  inbox: Inbox;
  amendments: Pick<Amendments, 'catchUp'>;
  clock: Clock;
  log: Logger;
}): Work {
  const { instanceId, client, standing, outbox, inbox, amendments, clock, log } = input;
  const tell = (sentence: string) => (error: unknown) =>
    log.error({ instance: instanceId, error: reasonOf(error) }, sentence);
  let isDown = true;
  let turn = 0;

  /**
   * What fails here is the database, or a page whose death the heartbeat finds: either way it is tried again, and a healthy browser goes on.
   */
  async function takeUp(): Promise<void> {
    isDown = false;
    turn += 1;
    const mine = turn;
    const isWanted = () => mine === turn && standing.state === 'ready';
    for (let pauseMs = retryMs; isWanted(); pauseMs = Math.min(2 * pauseMs, mostRetryMs)) {
      try {
        // What the page cannot tell of the past must not keep the instance from its work.
        await inbox.catchUp(instanceId, client).catch((error: unknown) => {
          if (toGatewayError(error).code === 'unavailable') throw error;
          tell('missed messages could not be looked up')(error);
        });
        amendments.catchUp(instanceId, client).catch(tell('missed changes could not be looked up'));
        if (isWanted()) await outbox.instanceReady(instanceId, client);
        return;
      } catch (error) {
        tell('the instance could not take up its work')(error);
        await clock.sleep(pauseMs);
      }
    }
  }

  return {
    get isDown() {
      return isDown;
    },
    takeUp,

    putDown() {
      isDown = true;
      turn += 1;
      outbox.instanceGone(instanceId);
    },

    async inspect() {
      const { timelock } = await client.restrictions();
      const isLocked = timelock?.isActive === true;
      if (standing.state !== 'ready' || isLocked === (standing.actionCode === 'time_lock')) return;
      const until = timelock?.endsAt ? ` (until ${new Date(timelock.endsAt).toISOString()})` : '';
      await standing.note({
        actionCode: isLocked ? 'time_lock' : null,
        reason: isLocked ? actionTable.time_lock + until : null,
      });
    },
  };
}
