import type { Knex } from 'knex';
import type { NewEvent } from '../model/events.ts';

/** Where the core puts facts, in the transaction that makes them true. `webhooks` is its implementation. */
export interface Announcer {
  /** Writes the events and a delivery for each endpoint that wants them; they go out once the transaction is committed. */
  enqueue(trx: Knex.Transaction, events: NewEvent[]): Promise<void>;
}
