import type { InstanceChange, InstanceState } from '../model/instance.ts';
import type { FailureReason, MessageState } from '../model/message.ts';
import { priorities } from '../model/message.ts';
import type { Connection, Database } from './database.ts';

/** A message that was not sent. */
export interface FailedMessage {
  /** The bare WhatsApp id. */
  waId: string;
  state: MessageState;
  reason: FailureReason | null;
  createdAt: number;
}

/** The table of what happened to instances. */
export interface InstanceHistoryStore {
  insert(connection: Connection, changes: readonly InstanceChange[]): Promise<void>;
  /** Returns changes, newest first; those before the id `before` when it is given. */
  list(input: { instanceId: string; before: string | null; limit: number }): Promise<InstanceChange[]>;
  /** Returns the newest messages that failed or whose end is not known. */
  failures(instanceId: string, limit: number): Promise<FailedMessage[]>;
  /** Removes what is older; returns how many. */
  prune(beforeAt: number): Promise<number>;
}

/** Returns the table of state changes, and what else went wrong with an instance. */
export function createInstanceHistoryStore({ knex }: Database): InstanceHistoryStore {
  return {
    async insert(connection, changes) {
      await connection('instance_history').insert(
        changes.map(({ id, instanceId, state, code, reason, createdAt }) => ({
          id,
          instance_id: instanceId,
          state,
          code,
          reason: reason?.slice(0, 500) ?? null,
          created_at: createdAt,
        })),
      );
    },

    async list({ instanceId, before, limit }) {
      const query = knex('instance_history').where({ instance_id: instanceId }).orderBy('id', 'desc').limit(limit);
      const rows = (await (before === null ? query : query.where('id', '<', before))) as ChangeRow[];
      return rows.map((row) => ({
        id: row.id,
        instanceId: row.instance_id,
        state: row.state,
        code: row.code,
        reason: row.reason,
        createdAt: Number(row.created_at),
      }));
    },

    // Each of them is the end of a key's range; all at once the whole range would have to be sorted.
    async failures(instanceId, limit) {
      const ranges = (['failed', 'uncertain'] as const).flatMap((state) =>
        Object.values(priorities).map((priority) => ({ instance_id: instanceId, state, priority })),
      );
      const found: FailureRow[] = [];
      for (const range of ranges)
        found.push(
          ...((await knex('messages')
            .where(range)
            .orderBy('id', 'desc')
            .limit(limit)
            .select('id', 'wa_id', 'state', 'reason', 'created_at')) as FailureRow[]),
        );
      return found
        .toSorted((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, limit)
        .map((row) => ({ waId: row.wa_id, state: row.state, reason: row.reason, createdAt: Number(row.created_at) }));
    },

    prune: (beforeAt) => knex('instance_history').where('created_at', '<', beforeAt).delete(),
  };
}

interface ChangeRow {
  id: string;
  instance_id: string;
  state: InstanceState;
  code: string | null;
  reason: string | null;
  created_at: number;
}

interface FailureRow {
  id: string;
  wa_id: string;
  state: MessageState;
  reason: FailureReason | null;
  created_at: number;
}
