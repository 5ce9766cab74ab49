import type { EventPayloads, EventType, GatewayEvent } from '../model/events.ts';
import type { Connection, Database } from './database.ts';
import { createRowWriter } from './rows.ts';

/** The columns of an event, as a join brings them. */
export interface EventRow {
  id: string;
  account_id: string;
  instance_id: string | null;
  type: EventType;
  payload: string;
  order_key: string;
  created_at: number;
}

interface EventStore {
  /** Writes events in the transaction that makes them true. */
  insert(connection: Connection, events: readonly GatewayEvent[]): Promise<void>;
}

/** Returns the events table. */
export function createEventStore(database: Pick<Database, 'engine'>): EventStore {
  const writer = createRowWriter<EventRow>(database, 'events', [
    'id',
    'account_id',
    'instance_id',
    'type',
    'payload',
    'order_key',
    'created_at',
  ]);

  return {
    insert: (connection, events) => writer.write(connection, events.map(toRow)),
  };
}

/** Returns the event of a row. */
export function eventOf(row: EventRow): GatewayEvent {
  return {
    id: row.id,
    accountId: row.account_id,
    instanceId: row.instance_id,
    type: row.type,
    payload: JSON.parse(row.payload) as EventPayloads[EventType],
    orderKey: row.order_key,
    createdAt: Number(row.created_at),
  };
}

function toRow(event: GatewayEvent): EventRow {
  return {
    id: event.id,
    account_id: event.accountId,
    instance_id: event.instanceId,
    type: event.type,
    payload: JSON.stringify(event.payload),
    order_key: event.orderKey,
    created_at: event.createdAt,
  };
}
