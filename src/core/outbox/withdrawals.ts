import type { Logger } from 'pino';
import { reasonOf } from '../../model/errors.ts';
import type { Clock } from '../../model/time.ts';
import type { Database } from '../../store/database.ts';
import type { MessageDueStore } from '../../store/message-due.ts';
import type { MessageStore } from '../../store/messages.ts';
import type { Idempotency } from '../idempotency.ts';
import type { WithdrawalJournal, WithdrawnMessage } from '../withdrawal-journal.ts';

/** Takes back messages of which the database did not say whether it has them: their callers were told that they are refused. */
interface Withdrawals {
  /** Takes back what a gateway that ended has left. */
  start(): Promise<void>;
  /**
   * From now on the message is not sent; its row, if there is one, goes as soon as the database takes that. Resolves when the next
   * gateway would do so too. @throws GatewayError outcome_unknown when only this one knows of it
   */
  add(message: WithdrawnMessage): Promise<void>;
  /** True also when the row is gone: somebody may have read it before. */
  has(messageId: string): boolean;
  /** Leaves what is not gone yet to the next gateway. */
  close(): void;
}

interface WithdrawalDeps {
  database: Pick<Database, 'transaction'>;
  messages: Pick<MessageStore, 'withdraw'>;
  due: Pick<MessageDueStore, 'clear'>;
  idempotency: Pick<Idempotency, 'forget'>;
  journal: WithdrawalJournal;
  clock: Pick<Clock, 'sleep'>;
  log: Logger;
}

const retryMs = 1_000;
const batchRows = 100;

/** Returns the taker back. */
export function createWithdrawals(deps: WithdrawalDeps): Withdrawals {
  const { database, messages, due, idempotency, journal, clock, log } = deps;
  const waiting = new Map<string, WithdrawnMessage>();
  /** A few at each outage. */
  const refused = new Set<string>();
  const life = { running: false, closed: false };

  async function takeBack(): Promise<void> {
    const batch = [...waiting.values()].slice(0, batchRows);
    const ids = batch.map(({ id }) => id);
    await database.transaction(async (trx) => {
      await messages.withdraw(trx, ids);
      for (const one of batch) {
        await due.clear(trx, one.due);
        if (one.recorded) await idempotency.forget(trx, one.recorded);
      }
    });
    for (const id of ids) waiting.delete(id);
    journal.settle(batch);
    log.warn({ count: ids.length }, 'messages were taken back: their callers were told of an outage');
  }

  async function run(): Promise<void> {
    life.running = true;
    while (waiting.size > 0 && !life.closed) {
      try {
        await takeBack();
      } catch (error) {
        log.error({ error: reasonOf(error) }, 'messages could not be taken back: trying again');
        await clock.sleep(retryMs);
      }
    }
    life.running = false;
  }

  return {
    async start() {
      for (const one of journal.left) if (one.kind === 'message') waiting.set(one.id, one);
      while (waiting.size > 0) await takeBack();
    },

    add(message) {
      refused.add(message.id);
      waiting.set(message.id, message);
      if (!life.running) void run();
      return journal.note(message);
    },

    has: (messageId) => refused.has(messageId),

    close() {
      life.closed = true;
    },
  };
}
