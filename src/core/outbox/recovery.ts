import type { Logger } from 'pino';
import type { Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import { type DueMessage, dueOf } from '../../store/message-due.ts';
import type { MessageStore } from '../../store/messages.ts';
import type { WhatsAppClient } from '../../whatsapp/client.ts';
import type { MessageChanges } from './changes.ts';
import { maxAttempts } from './hand-over.ts';
import type { HeldTypes } from './lanes.ts';
import type { Endings } from './endings.ts';

/** Makes good what was interrupted, when an instance comes back. */
interface Recovery {
  /** Returns what a former page may or may not have sent; it is sent again with the same id, and counted. */
  interrupted(instanceId: string): Promise<Message[]>;
  /** Returns those that the page can send; the others go back to the queue, unless they went out before. */
  sendable(instanceId: string, client: WhatsAppClient, rows: Message[]): Promise<Message[]>;
  /** Reads from the page the acks that came while the gateway was away. */
  reconcile(instanceId: string, client: WhatsAppClient): Promise<void>;
}

interface RecoveryDeps {
  messages: Pick<MessageStore, 'interrupted' | 'claimAgain' | 'requeue' | 'unsettled'>;
  changes: Pick<MessageChanges, 'acked'>;
  endings: Pick<Endings, 'end'>;
  held: HeldTypes;
  /** Takes note of times at which something happens to messages. */
  note(due: readonly DueMessage[]): void;
  clock: Clock;
  log: Logger;
}

const reconcileMs = 3 * 86_400_000;
const reconciledAtOnce = 500;

/** Returns what makes good. */
export function createRecovery(deps: RecoveryDeps): Recovery {
  const { messages, changes, endings, held, note, clock, log } = deps;

  return {
    async interrupted(instanceId) {
      const rows = await messages.interrupted(instanceId);
      const again = await messages.claimAgain(
        rows.filter((message) => message.attempts < maxAttempts).map((message) => message.id),
      );
      const hopeless = rows.filter((message) => message.attempts >= maxAttempts);
      if (hopeless.length > 0) await endings.end(hopeless, 'uncertain', 'no_answer_from_page');
      if (rows.length > 0)
        log.info({ instance: instanceId, count: rows.length }, 'looking up messages that were interrupted');
      return again;
    },

    async sendable(instanceId, client, rows) {
      const types: ReadonlySet<string> = held(instanceId);
      const waiting = rows.filter((message) => types.has(message.content.type));
      if (waiting.length === 0) return rows;
      const found = await client.find(waiting.map(({ waId, chat }) => ({ waId, chat })));
      changes.acked(instanceId, found);
      const known = new Set(found.map(({ waId }) => waId));
      const requeued = await messages.requeue(waiting.filter(({ waId }) => !known.has(waId)));
      note(requeued.flatMap(dueOf));
      return rows.filter((message) => !types.has(message.content.type));
    },

    async reconcile(instanceId, client) {
      const sinceAt = clock.now() - reconcileMs;
      const open = await messages.unsettled({ instanceId, sinceAt, limit: reconciledAtOnce });
      changes.acked(instanceId, await client.find(open.map(({ waId, chat }) => ({ waId, chat }))));
    },
  };
}
