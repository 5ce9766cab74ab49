import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { reasonOf } from '../../model/errors.ts';
import type { Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { Database } from '../../store/database.ts';
import { dueOf, type DueMessage, type MessageDueStore } from '../../store/message-due.ts';
import type { MessageStore } from '../../store/messages.ts';

/** What goes with a message that is taken back, in the same transaction. */
export type Undo = (trx: Knex.Transaction) => Promise<void>;

/** Takes back messages of which the database did not say whether it has them: their callers were told that they are refused. */
interface Withdrawals {
  /** From now on the message is not sent; its row, if there is one, goes as soon as the database takes that. */
  add(message: Message, undo?: Undo): void;
  /** True until the row is known to be gone. */
  has(messageId: string): boolean;
  /** Leaves what is not gone yet. */
  close(): void;
}

interface WithdrawalDeps {
  database: Pick<Database, 'transaction'>;
  messages: Pick<MessageStore, 'withdraw'>;
  due: Pick<MessageDueStore, 'clear'>;
  clock: Pick<Clock, 'sleep'>;
  log: Logger;
}

const retryMs = 1_000;
const batchRows = 100;

/** Returns the taker back. */
export function createWithdrawals({ database, messages, due, clock, log }: WithdrawalDeps): Withdrawals {
  const waiting = new Map<string, { due: DueMessage[]; undo: Undo | undefined }>();
  const life = { running: false, closed: false };

  async function run(): Promise<void> {
    life.running = true;
    while (waiting.size > 0 && !life.closed) {
      const batch = [...waiting].slice(0, batchRows);
      const ids = batch.map(([id]) => id);
      try {
        await database.transaction(async (trx) => {
          await messages.withdraw(trx, ids);
          for (const [, one] of batch) {
            await due.clear(trx, one.due);
            await one.undo?.(trx);
          }
        });
        for (const id of ids) waiting.delete(id);
        log.warn({ count: ids.length }, 'messages were taken back: their callers were told of an outage');
      } catch (error) {
        log.error({ error: reasonOf(error) }, 'messages could not be taken back: trying again');
        await clock.sleep(retryMs);
      }
    }
    life.running = false;
  }

  return {
    add(message, undo) {
      waiting.set(message.id, { due: dueOf(message), undo });
      if (!life.running) void run();
    },
    has: (messageId) => waiting.has(messageId),
    close() {
      life.closed = true;
    },
  };
}
