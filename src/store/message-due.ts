import type { Knex } from 'knex';
import type { Message } from '../model/message.ts';
import type { Connection, Database } from './database.ts';
import { fromRow, type MessageRow } from './message-rows.ts';

/** A message to which something happens at a time. */
export interface DueMessage {
  id: string;
  /** Unix ms. */
  dueAt: number;
}

/** Messages that the clock moves: they are sent, or their time to live ends. */
export interface MessageDueStore {
  /** Returns when the clock moves the next message, null when none waits for it. */
  nextAt(): Promise<number | null>;
  /** Returns whose time has come, the earliest first. */
  due(now: number, limit: number): Promise<DueMessage[]>;
  /** Queues scheduled ones of these whose time has come; returns the instances that have something to send now. */
  release(trx: Knex.Transaction, ids: string[], now: number): Promise<string[]>;
  /** Cancels queued ones of these whose time to live is over; returns the rows that changed. */
  expire(trx: Knex.Transaction, ids: string[], now: number): Promise<Message[]>;
  /** Cancels a message that is scheduled or queued; returns null, and changes nothing, when it is no longer either. */
  cancel(trx: Knex.Transaction, id: string): Promise<Message | null>;
  /** Forgets times that have been dealt with. */
  clear(trx: Knex.Transaction, due: readonly DueMessage[]): Promise<void>;
}

/** Returns the message_due table. */
export function createMessageDueStore({ knex }: Database): MessageDueStore {
  const table = (connection: Connection = knex) => connection('message_due');
  const inState = (trx: Connection, ids: string[], state: 'scheduled' | 'queued') =>
    trx('messages').whereIn('id', ids).where({ state });

  async function clear(trx: Knex.Transaction, due: readonly DueMessage[]): Promise<void> {
    if (due.length === 0) return;
    // MariaDB reads the whole table for `(due_at, message_id) IN (…)` in a DELETE.
    const query = table(trx).delete();
    for (const { dueAt, id } of due) void query.orWhere({ due_at: dueAt, message_id: id });
    await query;
  }

  return {
    async nextAt() {
      const row = (await table().where('due_at', '>=', 0).orderBy('due_at').first('due_at')) as
        | { due_at: number }
        | undefined;
      return row ? Number(row.due_at) : null;
    },

    async due(now, limit) {
      const rows = (await table()
        .where('due_at', '<=', now)
        .orderBy(['due_at', 'message_id'])
        .limit(limit)
        .select('due_at', 'message_id')) as { due_at: number; message_id: string }[];
      return rows.map((row) => ({ id: row.message_id, dueAt: Number(row.due_at) }));
    },

    async release(trx, ids, now) {
      const rows = (await inState(trx, ids, 'scheduled')
        .where('send_at', '<=', now)
        .orderBy('id')
        .forUpdate()
        .select('id', 'instance_id', 'expires_at')) as Pick<MessageRow, 'id' | 'instance_id' | 'expires_at'>[];
      if (rows.length === 0) return [];
      const released = rows.map((row) => row.id);
      await inState(trx, released, 'scheduled').update({ state: 'queued' });
      const mortal = rows.flatMap(({ id, expires_at }) => (expires_at === null ? [] : [{ id, dueAt: expires_at }]));
      await insertDue(trx, mortal);
      return [...new Set(rows.map((row) => row.instance_id))];
    },

    async expire(trx, ids, now) {
      const change = { state: 'cancelled', reason: 'expired' } as const;
      const query = inState(trx, ids, 'queued').where('expires_at', '<=', now).orderBy('id').forUpdate();
      const rows = ((await query) as MessageRow[]).map(fromRow);
      if (rows.length === 0) return [];
      await inState(
        trx,
        rows.map((message) => message.id),
        'queued',
      ).update(change);
      return rows.map((message) => ({ ...message, ...change }));
    },

    async cancel(trx, id) {
      const count = await trx('messages')
        .where({ id })
        .whereIn('state', ['scheduled', 'queued'])
        .update({ state: 'cancelled', reason: 'cancelled_by_caller' });
      if (count === 0) return null;
      const message = fromRow((await trx('messages').where({ id }).first()) as MessageRow);
      const times = [message.sendAt, message.expiresAt].filter((at) => at !== null);
      await clear(
        trx,
        times.map((dueAt) => ({ id, dueAt })),
      );
      return message;
    },

    clear,
  };
}

/** Returns when the clock moves a message as it is now; empty when it does not. */
export function dueOf({ id, state, sendAt, expiresAt }: Message): DueMessage[] {
  const dueAt = state === 'scheduled' ? sendAt : state === 'queued' ? expiresAt : null;
  return dueAt === null ? [] : [{ id, dueAt }];
}

/** Writes down times; one that is there already stays. */
export async function insertDue(connection: Connection, due: readonly DueMessage[]): Promise<void> {
  if (due.length === 0) return;
  await connection('message_due')
    .insert(due.map(({ id, dueAt }) => ({ due_at: dueAt, message_id: id })))
    .onConflict()
    .ignore();
}
