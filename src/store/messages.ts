import type { Knex } from 'knex';
import type { Content } from '../model/content.ts';
import { idFloor } from '../model/ids.ts';
import { type Ack, type FailureReason, type Message, type MessageState, stateOfAck } from '../model/message.ts';
import type { Connection, Database } from './database.ts';
import { contentStart, fromRow, messageColumns, type MessageRow, toRow } from './message-rows.ts';
import { dueOf, insertDue } from './message-due.ts';
import { createRowWriter } from './rows.ts';

/** An ack that arrived: applied only when it moves the message forward. */
export interface AckUpdate {
  waId: string;
  ack: Ack;
  state: MessageState;
  /** The key under which WhatsApp Web keeps the message. */
  waKey: string;
}

/** The table of messages, as the outbox and the inbox use it. */
export interface MessageStore {
  /** Writes messages, and when something is to happen to them by the clock. */
  insert(messages: Message[], connection?: Connection): Promise<void>;
  byId(id: string): Promise<Message | null>;
  byIds(ids: string[]): Promise<Message[]>;
  /** Finds a message of the account by bare WhatsApp id. */
  byWaId(input: { accountId: string; waId: string }): Promise<Message | null>;
  /** Returns which of these WhatsApp ids the instance has already received, or sent. */
  known(
    trx: Connection,
    input: { instanceId: string; direction: Message['direction']; waIds: string[] },
  ): Promise<Set<string>>;
  /** Takes the next queued messages, most urgent first, and marks them `sending`. */
  claimNext(input: {
    instanceId: string;
    limit: number;
    now: number;
    /** Types of content that stay in the queue. */
    except?: readonly Content['type'][];
  }): Promise<Message[]>;
  /** Puts messages in `sending` back into the queue; their attempts are kept, so that they are looked up first. Returns them. */
  requeue(messages: readonly Message[]): Promise<Message[]>;
  /** Returns messages left in `sending` by a gateway that ended, oldest first. */
  interrupted(instanceId: string): Promise<Message[]>;
  /** Counts another attempt of those that are in `sending`, but for those in `counted`, and returns them all, oldest first. */
  claimAgain(ids: string[], counted?: ReadonlySet<string>): Promise<Message[]>;
  /** Returns outgoing messages whose last known ack may be out of date, and those of which nobody knew what became of them. */
  unsettled(input: { instanceId: string; sinceAt: number; limit: number }): Promise<Message[]>;
  /** Moves messages on when the ack is news; returns the rows that changed and have been announced. */
  applyAcks(trx: Knex.Transaction, input: { instanceId: string; acks: AckUpdate[]; now: number }): Promise<Message[]>;
  /** Ends outgoing messages that are not accepted yet and have not ended so before; returns the rows that changed. */
  finish(
    trx: Knex.Transaction,
    input: { ids: string[]; state: MessageState; reason: FailureReason | null },
  ): Promise<Message[]>;
  /** Removes messages that are not handed to WhatsApp Web. */
  withdraw(trx: Knex.Transaction, ids: string[]): Promise<void>;
  /** Returns messages whose event has not been written: their file was being fetched when the gateway ended. */
  unannounced(instanceId: string): Promise<Message[]>;
  /** Writes a message whose file is there or cannot be had, with the state of its last ack; false when another has announced it meanwhile. */
  markAnnounced(trx: Connection, message: Message): Promise<boolean>;
  /** Tells whether the message is still on its way to WhatsApp Web. */
  isSending(connection: Connection, id: string): Promise<boolean>;
  /** Returns some messages of this instance in one of these states. */
  inStates(input: { instanceId: string; states: readonly MessageState[]; limit: number }): Promise<Message[]>;
}

/** Returns the messages table. */
export function createMessageStore(database: Database): MessageStore {
  const { knex } = database;
  const writer = createRowWriter<MessageRow>(database, 'messages', messageColumns);
  const table = (connection: Connection = knex) => connection('messages');
  const read = async (query: Knex.QueryBuilder): Promise<Message[]> => ((await query) as MessageRow[]).map(fromRow);

  async function byIds(ids: string[], connection: Connection = knex): Promise<Message[]> {
    return ids.length === 0 ? [] : read(table(connection).whereIn('id', ids).orderBy('id'));
  }

  return {
    async insert(messages, connection) {
      if (messages.length === 0) return;
      const due = messages.flatMap(dueOf);
      const insert = async (on: Connection) => {
        await writer.write(on, messages.map(toRow));
        await insertDue(on, due);
      };
      if (connection) return insert(connection);
      const isOneStatement = due.length === 0 && writer.isOneStatement(messages.length);
      await (isOneStatement ? database.statement(() => insert(knex)) : database.transaction(insert));
    },

    async byId(id) {
      return (await byIds([id]))[0] ?? null;
    },

    byIds: (ids) => byIds(ids),

    async byWaId({ accountId, waId }) {
      const instances = knex('instances').where({ account_id: accountId }).select('id');
      const found = await read(
        table().whereIn('instance_id', instances).whereIn('direction', ['in', 'out']).where({ wa_id: waId }).limit(1),
      );
      return found[0] ?? null;
    },

    async known(trx, { instanceId, direction, waIds }) {
      if (waIds.length === 0) return new Set();
      const rows = (await table(trx)
        .where({ instance_id: instanceId, direction })
        .whereIn('wa_id', waIds)
        .select('wa_id')) as { wa_id: string }[];
      return new Set(rows.map((row) => row.wa_id));
    },

    claimNext: ({ instanceId, limit, now, except = [] }) =>
      database.transaction(async (trx) => {
        const queued = await read(
          table(trx)
            .where({ instance_id: instanceId, state: 'queued' })
            .where((query) => query.whereNull('expires_at').orWhere('expires_at', '>', now))
            .where((query) => except.forEach((type) => query.whereNot('content', 'like', `${contentStart(type)}%`)))
            .orderBy('priority')
            .orderBy('id')
            .limit(limit)
            .forUpdate(),
        );
        if (queued.length === 0) return [];
        const ids = queued.map((message) => message.id);
        await table(trx)
          .whereIn('id', ids)
          .where({ state: 'queued' })
          .update({ state: 'sending' })
          .increment('attempts', 1);
        return queued.map((message) => ({ ...message, state: 'sending' as const, attempts: message.attempts + 1 }));
      }),

    async requeue(messages) {
      if (messages.length === 0) return [];
      const ids = messages.map((message) => message.id);
      return database.transaction(async (trx) => {
        const begun = table(trx).whereIn('id', ids).where({ state: 'sending' });
        const rows = await read(begun.clone().orderBy('id').forUpdate());
        await begun.update({ state: 'queued' });
        const queued = rows.map((message) => ({ ...message, state: 'queued' as const }));
        await insertDue(trx, queued.flatMap(dueOf));
        return queued;
      });
    },

    interrupted: (instanceId) => read(table().where({ instance_id: instanceId, state: 'sending' }).orderBy('id')),

    async claimAgain(ids, counted = new Set()) {
      if (ids.length === 0) return [];
      const uncounted = ids.filter((id) => !counted.has(id));
      return database.transaction(async (trx) => {
        const begun = (some: string[]) => table(trx).whereIn('id', some).where({ state: 'sending' });
        const rows = await read(begun(ids).orderBy('id').forUpdate());
        if (uncounted.length > 0) await begun(uncounted).increment('attempts', 1);
        return rows.map((message) => ({ ...message, attempts: message.attempts + (counted.has(message.id) ? 0 : 1) }));
      });
    },

    unsettled: ({ instanceId, sinceAt, limit }) =>
      read(
        table()
          .where({ instance_id: instanceId })
          .whereIn('state', ['accepted', 'sent', 'uncertain'])
          .where('id', '>=', idFloor(sinceAt))
          .orderBy('id', 'desc')
          .limit(limit),
      ),

    async applyAcks(trx, { instanceId, acks, now }) {
      if (acks.length === 0) return [];
      const newest = new Map<string, AckUpdate>();
      for (const ack of acks) {
        const known = newest.get(ack.waId);
        if (!known || rank(ack) >= rank(known)) newest.set(ack.waId, ack);
      }
      const rows = await read(
        table(trx)
          .where({ instance_id: instanceId, direction: 'out' })
          .whereIn('wa_id', [...newest.keys()])
          .forUpdate(),
      );

      const changed = rows.flatMap((message) => {
        const update = newest.get(message.waId);
        if (!update || !isNews(message, update)) return [];
        const { ack, waKey } = update;
        // What waits for its file is announced as it stands then.
        const state = message.state === 'fetching' ? message.state : update.state;
        return [{ ...message, state, ack, waKey, ackedAt: now, reason: reasonFor(update) }];
      });
      const keys = new Map(rows.map((message) => [message.id, message.waKey]));
      for (const group of groupBy(changed, (message) => `${message.ack} ${message.state}`)) {
        const { state, ack, reason } = group[0]!;
        await table(trx)
          .whereIn(
            'id',
            group.map((message) => message.id),
          )
          .update({ state, ack, acked_at: now, reason });
      }
      // A chat that moved to a LID has a new key; that is rare.
      for (const { id, waKey } of changed)
        if (keys.get(id) !== waKey) await table(trx).where({ id }).update({ wa_key: waKey });
      return changed.filter((message) => message.state !== 'fetching');
    },

    async finish(trx, { ids, state, reason }) {
      const open = await read(
        table(trx)
          .whereIn('id', ids)
          .whereIn(
            'state',
            unaccepted.filter((one) => one !== state),
          )
          .forUpdate(),
      );
      if (open.length === 0) return [];
      await table(trx)
        .whereIn(
          'id',
          open.map((message) => message.id),
        )
        .update({ state, reason });
      return open.map((message) => ({ ...message, state, reason }));
    },

    async withdraw(trx, ids) {
      await table(trx).whereIn('id', ids).whereIn('state', ['scheduled', 'queued', 'sending']).delete();
    },

    unannounced: (instanceId) => read(table().where({ instance_id: instanceId, state: 'fetching' }).orderBy('id')),

    async markAnnounced(trx, { id, direction, content }) {
      const waiting = table(trx).where({ id, state: 'fetching' });
      // Acks of it may have come since it was read.
      const sent =
        direction === 'in' ? null : ((await waiting.clone().forUpdate().first('ack')) as { ack: Ack } | null);
      const state = sent ? stateOfAck(sent.ack) : 'received';
      return (await waiting.update({ content: JSON.stringify(content), state })) > 0;
    },

    async isSending(connection, id) {
      const row = (await table(connection).where({ id }).first('state')) as { state: MessageState } | undefined;
      return row?.state === 'sending' || row?.state === 'queued';
    },

    inStates: ({ instanceId, states, limit }) =>
      read(table().where({ instance_id: instanceId }).whereIn('state', states).limit(limit)),
  };
}

/** In these states WhatsApp Web is not known to have the message. */
const unaccepted: readonly MessageState[] = ['scheduled', 'queued', 'sending', 'uncertain'];

function groupBy<T>(items: T[], keyOf: (item: T) => unknown): T[][] {
  const groups = new Map<unknown, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}

/** An error comes after the page has stored a message (0), and is overtaken by a server that has it all the same. */
function rank({ ack }: AckUpdate): number {
  return ack === -1 ? 0.5 : ack;
}

/** Acks only move forward; an error counts only while nobody has received the message. */
function isNews(message: Message, update: AckUpdate): boolean {
  if (['queued', 'sending', 'uncertain'].includes(message.state)) return true;
  if (update.ack === -1) return message.state === 'accepted' || (message.state === 'fetching' && message.ack === 0);
  return (
    update.ack > message.ack && ['fetching', 'accepted', 'sent', 'delivered', 'read', 'failed'].includes(message.state)
  );
}

function reasonFor(update: AckUpdate): FailureReason | null {
  return update.ack === -1 ? 'rejected_by_whatsapp' : null;
}
