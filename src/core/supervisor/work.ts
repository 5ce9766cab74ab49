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
  /** Begins, or begins anew; what fails is tried again for as long as the page is ready. Sending waits for nothing that came. */
  takeUp(): void;
  /** The line or the page is gone. */
  putDown(): void;
  /** Shows a restriction of the number while it lasts: it works on, but a person should know. */
  inspect(): Promise<void>;
}

const retryMs = 1_000;
/** For a database that is away. */
const mostRetryMs = 5_000;
/** For a page that does not tell. */
const mostAskMs = 60_000;

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
  let isDown = true;
  let turn = 0;

  function takeUp(): void {
    isDown = false;
    turn += 1;
    const mine = turn;
    const isWanted = () => mine === turn && standing.state === 'ready';
    void persist(isWanted, 'the instance could not take up its work', () => outbox.instanceReady(instanceId, client));
    void persist(isWanted, 'what was missed could not be looked up', async () => {
      await inbox.catchUp(instanceId, client);
      if (isWanted()) await amendments.catchUp(instanceId, client);
    });
  }

  /** What fails is the database, or a page whose death the heartbeat finds: either way it is tried again, and a healthy browser goes on. */
  async function persist(isWanted: () => boolean, complaint: string, work: () => Promise<void>): Promise<void> {
    for (let pauseMs = retryMs; isWanted(); pauseMs *= 2) {
      try {
        return await work();
      } catch (error) {
        // A page that is being closed breaks off.
        if (!isWanted()) return;
        log.error({ instance: instanceId, error: reasonOf(error) }, complaint);
        pauseMs = Math.min(pauseMs, toGatewayError(error).code === 'unavailable' ? mostRetryMs : mostAskMs);
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
      inbox.pageGone(instanceId);
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
