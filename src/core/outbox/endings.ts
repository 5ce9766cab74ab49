import type { Logger } from 'pino';
import { type FailureReason, type Message, type MessageState, stateOfAck } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { MessageDueStore } from '../../store/message-due.ts';
import type { MessageStore } from '../../store/messages.ts';
import type { SentMessage } from '../../whatsapp/client.ts';
import type { MessageChanges } from './changes.ts';
import type { Settling } from './settling.ts';

/** How the way to WhatsApp Web ends for a message, taken or not: the row, the log, and who waits. */
export interface Endings {
  /** WhatsApp Web has the message: what becomes of it then, acks tell. */
  accepted(message: Message, sent: SentMessage): void;
  /** Tells of messages that WhatsApp Web never took, and whose end is written. */
  tell(messages: readonly Message[]): void;
  /** Ends messages that WhatsApp Web never took. */
  end(rows: readonly Message[], state: MessageState, reason: FailureReason): Promise<void>;
  /** Ends everything of an instance that is in one of these states, however much that is. */
  endAll(instanceId: string, from: readonly MessageState[], state: MessageState, reason: FailureReason): Promise<void>;
  /** Cancels a message that has not begun to be sent; null when it has, or has ended. */
  cancel(messageId: string): Promise<Message | null>;
  /** Leaves what is not ended yet. */
  close(): void;
}

interface EndingsDeps {
  changes: Pick<MessageChanges, 'acked' | 'ended' | 'write'>;
  messages: Pick<MessageStore, 'inStates'>;
  due: Pick<MessageDueStore, 'cancel'>;
  settling: Pick<Settling, 'settle'>;
  sendEnded?: ((message: Message, result: MessageState) => void) | undefined;
  clock: Clock;
  log: Logger;
}

const batchRows = 200;
const retryMs = 1_000;

/** Returns what ends messages. */
export function createEndings({ changes, messages, due, settling, sendEnded, clock, log }: EndingsDeps): Endings {
  let closed = false;

  function tell(rows: readonly Message[]): void {
    for (const message of rows) {
      const { instanceId, waId, state, reason } = message;
      const fields = { instance: instanceId, message: waId, state, reason };
      if (state === 'cancelled') log.info(fields, 'message cancelled');
      else log.warn(fields, 'message not sent');
      sendEnded?.(message, state);
      settling.settle(message);
    }
  }

  function end(rows: readonly Message[], state: MessageState, reason: FailureReason): Promise<void> {
    tell(rows.map((message) => ({ ...message, state, reason })));
    return changes.ended([...rows], state, reason);
  }

  function accepted(message: Message, sent: SentMessage): void {
    changes.acked(message.instanceId, [sent]);
    log.debug({ instance: message.instanceId, message: message.waId, ack: sent.ack }, 'message accepted');
    sendEnded?.(message, 'accepted');
    settling.settle({ ...message, state: stateOfAck(sent.ack), ack: sent.ack, waKey: sent.waKey });
  }

  return {
    accepted,
    tell,
    end,

    async endAll(instanceId, from, state, reason) {
      let first: string | undefined;
      for (;;) {
        const rows = await messages.inStates({ instanceId, states: from, limit: batchRows });
        if (rows.length === 0 || closed) return;
        // The same again: the database did not take their end, which is tried anew meanwhile.
        if (rows[0]?.id === first) await clock.sleep(retryMs);
        else await end(rows, state, reason);
        first = rows[0]?.id;
      }
    },

    async cancel(id) {
      const cancelled = await changes.write(async (trx) => {
        const message = await due.cancel(trx, id);
        return message ? [message] : [];
      });
      tell(cancelled);
      return cancelled[0] ?? null;
    },

    close() {
      closed = true;
    },
  };
}
