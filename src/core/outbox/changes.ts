import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { reasonOf } from '../../model/errors.ts';
import type { NewEvent } from '../../model/events.ts';
import { type FailureReason, type Message, type MessageState, stateOfAck } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { Database } from '../../store/database.ts';
import type { AckUpdate, MessageStore } from '../../store/messages.ts';
import type { SentMessage } from '../../whatsapp/client.ts';
import type { Announcer } from '../announcer.ts';

/** Writes what became of outgoing messages, with the events that tell it; what the database does not take is tried again. */
export interface MessageChanges {
  /** Notes what WhatsApp Web knows of messages; written a moment later, together with what else comes. */
  acked(instanceId: string, acks: SentMessage[]): void;
  /** Ends messages that WhatsApp Web never took; resolves when that is written, or could not be for now. */
  ended(rows: Message[], state: MessageState, reason: FailureReason): Promise<void>;
  /** Runs a transaction that changes messages, and tells of those it returns; what fails is the caller's. */
  write(work: (trx: Knex.Transaction) => Promise<Message[]>): Promise<Message[]>;
  /** Writes what is noted; false when the database did not take it, which is tried again. */
  flush(): Promise<boolean>;
  close(): Promise<void>;
}

interface MessageChangesDeps {
  database: Database;
  messages: MessageStore;
  announcer: Announcer;
  /** Takes messages that changed, in the transaction that changes them. */
  changed?(trx: Knex.Transaction, messages: readonly Message[]): Promise<void>;
  clock: Clock;
  log: Logger;
}

interface End {
  ids: string[];
  state: MessageState;
  reason: FailureReason;
}

/** What WhatsApp Web knows too may be written late: a crash in between looks it up there. */
const flushDelayMs = 100;
const retryDelayMs = 1_000;

/** Returns the writer of changes. */
export function createMessageChanges(deps: MessageChangesDeps): MessageChanges {
  const { database, messages, announcer, clock, log } = deps;
  const noted = new Map<string, AckUpdate[]>();
  let ends: End[] = [];
  let flushing: Promise<boolean> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;

  async function tell(trx: Knex.Transaction, changed: Message[]): Promise<void> {
    await deps.changed?.(trx, changed);
    await announcer.enqueue(trx, changed.map(statusEvent));
  }

  function acked(instanceId: string, acks: SentMessage[]): void {
    const updates = noted.get(instanceId) ?? [];
    for (const { waId, waKey, ack, detail } of acks) {
      updates.push({ waId, waKey, ack, state: stateOfAck(ack) });
      if (ack === -1)
        log.warn({ instance: instanceId, message: waId, detail }, 'WhatsApp Web could not send a message');
    }
    noted.set(instanceId, updates);
    timer ??= setTimeout(() => void flush(), flushDelayMs);
  }

  /** One transaction for everything that came in meanwhile; a row whose three acks arrived together is written once. */
  async function flush(): Promise<boolean> {
    if (timer) clearTimeout(timer);
    timer = null;
    if (flushing) {
      await flushing;
      return flush();
    }
    if (noted.size === 0 && ends.length === 0) return true;
    const batch = { acks: [...noted], ends };
    noted.clear();
    ends = [];
    flushing = writeBatch(batch).finally(() => (flushing = null));
    return flushing;
  }

  async function writeBatch(batch: { acks: [string, AckUpdate[]][]; ends: End[] }): Promise<boolean> {
    try {
      await database.transaction(async (trx) => {
        for (const [instanceId, acks] of batch.acks)
          await tell(trx, await messages.applyAcks(trx, { instanceId, acks, now: clock.now() }));
        for (const end of batch.ends) await tell(trx, await messages.finish(trx, end));
      });
      return true;
    } catch (error) {
      log.error({ error: reasonOf(error) }, 'what became of messages could not be written: trying again');
      for (const [instanceId, acks] of batch.acks) noted.set(instanceId, [...acks, ...(noted.get(instanceId) ?? [])]);
      ends = [...batch.ends, ...ends];
      if (!closed) timer ??= setTimeout(() => void flush(), retryDelayMs);
      return false;
    }
  }

  const write: MessageChanges['write'] = (work) =>
    database.transaction(async (trx) => {
      const changed = await work(trx);
      if (changed.length > 0) await tell(trx, changed);
      return changed;
    });

  async function ended(rows: Message[], state: MessageState, reason: FailureReason): Promise<void> {
    ends.push({ ids: rows.map((message) => message.id), state, reason });
    await flush();
  }

  async function close(): Promise<void> {
    closed = true;
    await flush();
  }

  return { acked, ended, write, flush, close };
}

function statusEvent(message: Message): NewEvent<'message.status'> {
  return {
    accountId: message.accountId,
    instanceId: message.instanceId,
    type: 'message.status',
    payload: { messageId: message.id, state: message.state, ack: message.ack, reason: message.reason },
    orderKey: message.chat,
  };
}
