import type { Knex } from 'knex';
import type { GatewayEvent } from '../model/events.ts';
import type { Attempt, DeliveryState } from '../model/webhook.ts';
import { attemptColumns, type AttemptRow, attemptRow } from './attempt-rows.ts';
import { type Connection, type Database, Outdated } from './database.ts';
import { eventOf, type EventRow } from './events.ts';
import { createRowWriter } from './rows.ts';

/** One event on its way to one endpoint. */
export interface Delivery {
  /** ULID; deliveries of an endpoint are in order by it. */
  id: string;
  endpointId: string;
  event: GatewayEvent;
  state: 'pending' | 'retry';
  /** Attempts made so far. */
  attempt: number;
}

/** A delivery as its queue has it, without what it tells. */
export interface WaitingDelivery {
  id: string;
  endpointId: string;
  eventId: string;
  orderKey: string;
  state: 'pending' | 'retry';
  attempt: number;
}

/** How a delivery stands after an attempt. */
export interface DeliveryResult {
  id: string;
  state: DeliveryState;
  attempt: number;
  /** With `retry`: when it is due again. */
  dueAt: number;
}

/** The table of webhook deliveries, as the worker uses it. */
export interface DeliveryStore {
  /** Writes a delivery for each pair, in the caller's transaction. @throws Outdated when an endpoint is gone */
  insert(
    connection: Connection,
    deliveries: readonly { id: string; endpointId: string; event: GatewayEvent }[],
  ): Promise<void>;
  /** Returns deliveries that were never tried, oldest first, leaving out those of some chats. */
  fresh(input: { endpointId: string; notOf: readonly string[]; limit: number }): Promise<WaitingDelivery[]>;
  /** Returns deliveries whose retry is due, oldest first. */
  dueRetries(input: { endpointId: string; now: number; limit: number }): Promise<WaitingDelivery[]>;
  /** Returns the deliveries with their events, by one query; those whose event is gone are left out. */
  withEvents(waiting: readonly WaitingDelivery[]): Promise<Delivery[]>;
  /** Returns chats that wait behind a delivery which failed fewer than `belowAttempt` times and is not due yet. */
  heldKeys(input: { endpointId: string; now: number; belowAttempt: number; limit: number }): Promise<string[]>;
  /** Returns when the endpoint’s next retry after `now` is due, null when none waits. */
  nextDueAt(endpointId: string, now: number): Promise<number | null>;
  /** Writes results and attempts together; `again` when some of it may be written already. */
  finish(
    trx: Knex.Transaction,
    input: { results: readonly DeliveryResult[]; attempts: readonly Attempt[]; now: number; again?: boolean },
  ): Promise<void>;
  /** Makes the endpoint’s waiting retries that are due after `dueAfter` (absent: all) due now: the receiver is back, or the clock was set back. */
  pullForward(trx: Knex.Transaction, endpointId: string, now: number, dueAfter?: number): Promise<void>;
}

const deliveryColumns = [
  'id',
  'endpoint_id',
  'event_id',
  'order_key',
  'state',
  'attempt',
  'due_at',
  'created_at',
] as const;

/** Returns the tables of deliveries and their attempts. */
export function createDeliveryStore(database: Database): DeliveryStore {
  const { knex } = database;
  const deliveryRows = createRowWriter<NewDeliveryRow>(database, 'webhook_deliveries', deliveryColumns);
  const attemptRows = createRowWriter<AttemptRow>(database, 'webhook_attempts', attemptColumns);
  const waiting = (endpointId: string) => knex('webhook_deliveries').where({ endpoint_id: endpointId, state: 'retry' });
  const inOrder = (endpointId: string, state: 'pending' | 'retry', limit: number) =>
    knex('webhook_deliveries')
      .where({ endpoint_id: endpointId, state })
      .orderBy('id')
      .limit(limit)
      .select('id', 'endpoint_id', 'event_id', 'order_key', 'state', 'attempt');
  const read = async (query: Knex.QueryBuilder) => ((await query) as DeliveryRow[]).map(toWaiting);

  return {
    async insert(connection, deliveries) {
      const rows = deliveries.map(({ id, endpointId, event }) => ({
        id,
        endpoint_id: endpointId,
        event_id: event.id,
        order_key: event.orderKey,
        state: 'pending' as const,
        attempt: 0,
        due_at: event.createdAt,
        created_at: event.createdAt,
      }));
      await deliveryRows.write(connection, rows).catch((error: unknown) => {
        throw isOrphan(error) ? new Outdated('a webhook was removed meanwhile', { cause: error }) : error;
      });
    },

    fresh({ endpointId, notOf, limit }) {
      const query = inOrder(endpointId, 'pending', limit);
      return read(notOf.length > 0 ? query.whereNotIn('order_key', notOf) : query);
    },

    dueRetries: ({ endpointId, now, limit }) => read(inOrder(endpointId, 'retry', limit).where('due_at', '<=', now)),

    // Not a join: with one, SQLite walks all events first.
    async withEvents(waiting) {
      if (waiting.length === 0) return [];
      const ids = [...new Set(waiting.map(({ eventId }) => eventId))];
      const events = new Map(
        ((await knex('events').whereIn('id', ids)) as EventRow[]).map((row) => [row.id, eventOf(row)]),
      );
      return waiting.flatMap(({ id, endpointId, eventId, state, attempt }) => {
        const event = events.get(eventId);
        return event ? [{ id, endpointId, event, state, attempt }] : [];
      });
    },

    async heldKeys({ endpointId, now, belowAttempt, limit }) {
      const rows = (await waiting(endpointId)
        .where('due_at', '>', now)
        .where('attempt', '<', belowAttempt)
        .distinct('order_key')
        .limit(limit)) as { order_key: string }[];
      return rows.map((row) => row.order_key);
    },

    async nextDueAt(endpointId, now) {
      const row = (await waiting(endpointId).where('due_at', '>', now).min('due_at as due').first()) as
        | { due: number | null }
        | undefined;
      return row?.due == null ? null : Number(row.due);
    },

    async finish(trx, { results, attempts, now, again = false }) {
      for (const group of groupEnded(results)) {
        await trx('webhook_deliveries')
          .whereIn('id', group.ids)
          .update({ state: group.state, attempt: group.attempt, finished_at: now });
      }
      for (const { id, attempt, dueAt } of results.filter((result) => result.state === 'retry')) {
        await trx('webhook_deliveries').where({ id }).update({ state: 'retry', attempt, due_at: dueAt });
      }
      if (again)
        await trx('webhook_attempts')
          .whereIn(
            'id',
            attempts.map(({ id }) => id),
          )
          .delete();
      await attemptRows.write(trx, attempts.map(attemptRow));
    },

    async pullForward(trx, endpointId, now, dueAfter = now) {
      await trx('webhook_deliveries')
        .where({ endpoint_id: endpointId, state: 'retry' })
        .where('due_at', '>', dueAfter)
        .update({ due_at: now });
    },
  };
}

/** Deliveries that ended alike are updated by one statement. */
function groupEnded(results: readonly DeliveryResult[]): { state: DeliveryState; attempt: number; ids: string[] }[] {
  const groups = new Map<string, { state: DeliveryState; attempt: number; ids: string[] }>();
  for (const { id, state, attempt } of results) {
    if (state !== 'delivered' && state !== 'failed') continue;
    const key = `${state} ${attempt}`;
    const group = groups.get(key);
    if (group) group.ids.push(id);
    else groups.set(key, { state, attempt, ids: [id] });
  }
  return [...groups.values()];
}

interface DeliveryRow {
  id: string;
  endpoint_id: string;
  event_id: string;
  order_key: string;
  state: 'pending' | 'retry';
  attempt: number;
}

interface NewDeliveryRow extends DeliveryRow {
  due_at: number;
  created_at: number;
}

function toWaiting(row: DeliveryRow): WaitingDelivery {
  return {
    id: row.id,
    endpointId: row.endpoint_id,
    eventId: row.event_id,
    orderKey: row.order_key,
    state: row.state,
    attempt: row.attempt,
  };
}

function isOrphan(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === 'ER_NO_REFERENCED_ROW_2' || code === 'SQLITE_CONSTRAINT_FOREIGNKEY';
}
