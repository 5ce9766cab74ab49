import type { Knex } from 'knex';
import type { EventType, GatewayEvent } from '../model/events.ts';
import { idFloor } from '../model/ids.ts';
import type { Attempt, DeliveryRecord, DeliveryState } from '../model/webhook.ts';
import { attemptOf, type AttemptRow } from './attempt-rows.ts';
import type { Connection, Database } from './database.ts';
import { eventOf, type EventRow } from './events.ts';

/** Which deliveries, newest first. */
export interface DeliveryFilter {
  endpointIds: readonly string[];
  states?: readonly DeliveryState[];
  /** Of these events only. */
  events?: readonly EventType[];
  /** Unix ms */
  sinceAt?: number;
  /** The id of the last one of the page before. */
  before?: string;
  limit: number;
}

/** Which attempts, newest first. */
export interface AttemptFilter {
  endpointIds: readonly string[];
  deliveryId?: string;
  /** True for those that were not answered by 2xx. */
  failed?: boolean;
  events?: readonly EventType[];
  sinceAt?: number;
  before?: string;
  limit: number;
}

/** What was delivered, and what is to be delivered again. */
export interface WebhookHistoryStore {
  deliveries(filter: DeliveryFilter): Promise<DeliveryRecord[]>;
  attempts(filter: AttemptFilter): Promise<Attempt[]>;
  delivery(id: string): Promise<DeliveryRecord | null>;
  /** Makes ended deliveries wait as if they were new, and waiting retries due; returns how many. */
  again(connection: Connection, ids: readonly string[], now: number): Promise<number>;
  /** Returns ids of an endpoint's ended deliveries with events since then, oldest first. */
  ended(input: {
    endpointId: string;
    states: readonly DeliveryState[];
    sinceAt: number;
    after: string;
    limit: number;
  }): Promise<string[]>;
  /** Returns an account's events since then, oldest first. */
  events(input: { accountId: string; sinceAt: number; after: string; limit: number }): Promise<GatewayEvent[]>;
  /** Returns which of the events the endpoint has deliveries of. */
  delivered(connection: Connection, endpointId: string, eventIds: readonly string[]): Promise<Set<string>>;
  /** Removes events, deliveries and attempts that are older, a range of keys at a time; returns how many rows. */
  prune(beforeAt: number): Promise<number>;
}

const pruneChunk = 1000;
/** So many rows are looked at together where the event is not in the row: no index leads to a rare one, and no statement may take long. */
const searchChunk = 500;

/** Returns the history of webhooks. Ids are ULIDs, so that a time is a range of keys. */
export function createWebhookHistory({ knex }: Database): WebhookHistoryStore {
  const fromId = (sinceAt: number | undefined, after = ''): string => {
    const floor = idFloor(sinceAt ?? 0);
    return after > floor ? after : floor;
  };

  async function withEvents(rows: DeliveryRow[]): Promise<DeliveryRecord[]> {
    if (rows.length === 0) return [];
    const ids = [...new Set(rows.map((row) => row.event_id))];
    const events = new Map(((await knex('events').whereIn('id', ids)) as EventRow[]).map((row) => [row.id, row]));
    return rows.map((row) => ({
      id: row.id,
      endpointId: row.endpoint_id,
      eventId: row.event_id,
      event: events.get(row.event_id)?.type ?? null,
      instanceId: events.get(row.event_id)?.instance_id ?? null,
      state: row.state,
      attempt: row.attempt,
      dueAt: Number(row.due_at),
      createdAt: Number(row.created_at),
      finishedAt: row.finished_at === null ? null : Number(row.finished_at),
    }));
  }

  /** Deletes what is below `floor`, oldest first. */
  async function pruneTable(table: string, key: string, floor: string): Promise<number> {
    let removed = 0;
    for (;;) {
      const last = (await knex(table)
        .where(key, '<', floor)
        .orderBy(key)
        .offset(pruneChunk - 1)
        .limit(1)
        .first(key)) as Record<string, string> | undefined;
      const count: number = last
        ? await knex(table).where(key, '<=', last[key]!).delete()
        : await knex(table).where(key, '<', floor).delete();
      removed += count;
      if (!last) return removed;
    }
  }

  const page = (
    query: Knex.QueryBuilder,
    { sinceAt, before, limit }: Pick<DeliveryFilter, 'sinceAt' | 'before' | 'limit'>,
  ) => {
    if (sinceAt !== undefined) void query.where('id', '>=', idFloor(sinceAt));
    if (before !== undefined) void query.where('id', '<', before);
    return query.orderBy('id', 'desc').limit(limit);
  };

  /** Goes through pages until enough rows are of the wanted events. */
  async function search<T extends { id: string }>(
    { limit, before }: { limit: number; before?: string },
    read: (limit: number, before: string | undefined) => Promise<T[]>,
    wanted: (rows: T[]) => Promise<T[]>,
  ): Promise<T[]> {
    const found: T[] = [];
    for (let cursor = before; ;) {
      const rows = await read(searchChunk, cursor);
      found.push(...(await wanted(rows)));
      if (found.length >= limit || rows.length < searchChunk) return found.slice(0, limit);
      cursor = rows.at(-1)!.id;
    }
  }

  async function readDeliveries({ endpointIds, states, ...rest }: DeliveryFilter): Promise<DeliveryRecord[]> {
    const query = page(knex('webhook_deliveries').whereIn('endpoint_id', endpointIds), rest);
    return withEvents((await (states ? query.whereIn('state', states) : query)) as DeliveryRow[]);
  }

  async function readAttempts({ endpointIds, deliveryId, failed, ...rest }: AttemptFilter): Promise<Attempt[]> {
    const query = page(knex('webhook_attempts').whereIn('endpoint_id', endpointIds), rest);
    if (deliveryId !== undefined) void query.where('delivery_id', deliveryId);
    if (failed) void query.where((either) => either.whereNull('status').orWhereNotBetween('status', [200, 299]));
    return ((await query) as AttemptRow[]).map(attemptOf);
  }

  /** Returns which of the deliveries carry one of the events. */
  async function carrying(deliveryIds: string[], events: readonly EventType[]): Promise<Set<string>> {
    const rows = (await knex('webhook_deliveries as d')
      .join('events as e', 'e.id', 'd.event_id')
      .whereIn('d.id', deliveryIds)
      .whereIn('e.type', events)
      .select('d.id')) as { id: string }[];
    return new Set(rows.map((row) => row.id));
  }

  return {
    deliveries({ events, ...filter }) {
      if (!events) return readDeliveries(filter);
      return search(
        filter,
        (limit, before) => readDeliveries({ ...filter, limit, ...(before !== undefined && { before }) }),
        (rows) => Promise.resolve(rows.filter(({ event }) => event !== null && events.includes(event))),
      );
    },

    attempts({ events, ...filter }) {
      if (!events) return readAttempts(filter);
      return search(
        filter,
        (limit, before) => readAttempts({ ...filter, limit, ...(before !== undefined && { before }) }),
        async (rows) => {
          const ids = await carrying([...new Set(rows.map(({ deliveryId }) => deliveryId))], events);
          return rows.filter(({ deliveryId }) => ids.has(deliveryId));
        },
      );
    },

    async delivery(id) {
      const rows = (await knex('webhook_deliveries').where({ id })) as DeliveryRow[];
      return (await withEvents(rows))[0] ?? null;
    },

    async again(connection, ids, now) {
      if (ids.length === 0) return 0;
      const rows = () => connection('webhook_deliveries').whereIn('id', ids);
      const due: number = await rows().where('state', 'retry').update({ due_at: now });
      const ended: number = await rows()
        .whereIn('state', ['delivered', 'failed'])
        .update({ state: 'pending', attempt: 0, due_at: now, finished_at: null });
      return due + ended;
    },

    async ended({ endpointId, states, sinceAt, after, limit }) {
      const rows = (await knex('webhook_deliveries')
        .where({ endpoint_id: endpointId })
        .whereIn('state', states)
        .where('id', '>', fromId(sinceAt, after))
        .orderBy('id')
        .limit(limit)
        .select('id')) as { id: string }[];
      return rows.map((row) => row.id);
    },

    async events({ accountId, sinceAt, after, limit }) {
      const rows = (await knex('events')
        .where({ account_id: accountId })
        .where('id', '>', fromId(sinceAt, after))
        .orderBy('id')
        .limit(limit)) as EventRow[];
      return rows.map(eventOf);
    },

    async delivered(connection, endpointId, eventIds) {
      const rows = (await connection('webhook_deliveries')
        .whereIn('event_id', eventIds)
        .where({ endpoint_id: endpointId })
        .select('event_id')) as { event_id: string }[];
      return new Set(rows.map((row) => row.event_id));
    },

    async prune(beforeAt) {
      const floor = idFloor(beforeAt);
      const attempts = await pruneTable('webhook_attempts', 'id', floor);
      // By their event: a delivery without it could never go out.
      const deliveries = await pruneTable('webhook_deliveries', 'event_id', floor);
      return attempts + deliveries + (await pruneTable('events', 'id', floor));
    },
  };
}

interface DeliveryRow {
  id: string;
  endpoint_id: string;
  event_id: string;
  state: DeliveryState;
  attempt: number;
  due_at: number;
  created_at: number;
  finished_at: number | null;
}
