import type { Knex } from 'knex';
import type { Content } from '../model/content.ts';
import { idFloor } from '../model/ids.ts';
import { type FailureReason, priorities } from '../model/message.ts';
import type { Connection, Database } from './database.ts';

/** Received messages whose file there was no room for. */
export interface MissingFileStore {
  mark(connection: Connection, id: string): Promise<void>;
  /** Returns ids of an instance's messages that wait for their file, oldest first; none from before `sinceAt` (Unix ms). */
  waiting(input: { instanceId: string; sinceAt: number; limit: number }): Promise<string[]>;
  /** Ends the wait, with the file or without: `change` makes the content of what it is by now. False when another has ended it. */
  done(trx: Knex.Transaction, id: string, change: (content: Content) => Content): Promise<boolean>;
}

const reason: FailureReason = 'media_missing';

/** Returns that part of the messages table; the index of the outbox leads to it. */
export function createMissingFileStore({ knex }: Database): MissingFileStore {
  return {
    async mark(connection, id) {
      await connection('messages').where({ id }).update({ reason });
    },

    async waiting({ instanceId, sinceAt, limit }) {
      const rows = (await knex('messages')
        .where({ instance_id: instanceId, state: 'received', priority: priorities.interactive, reason })
        .where('id', '>=', idFloor(sinceAt))
        .orderBy('id')
        .limit(limit)
        .select('id')) as { id: string }[];
      return rows.map((row) => row.id);
    },

    async done(trx, id, change) {
      const row = (await trx('messages').where({ id, reason }).forUpdate().first('content')) as
        | { content: string }
        | undefined;
      if (!row) return false;
      const content = change(JSON.parse(row.content) as Content);
      await trx('messages')
        .where({ id })
        .update({ content: JSON.stringify(content), reason: null });
      return true;
    },
  };
}
