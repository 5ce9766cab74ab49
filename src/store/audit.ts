import type { ActorKind, AuditAction, AuditChanges, AuditEntry } from '../model/audit.ts';
import { idFloor } from '../model/ids.ts';
import type { Connection, Database } from './database.ts';

/** Which entries, newest first. */
export interface AuditFilter {
  accountId: string;
  actions?: readonly AuditAction[];
  subject?: string;
  /** Entries that concern this instance. */
  instanceId?: string;
  tokenKey?: string;
  /** Unix ms */
  sinceAt?: number;
  /** The id of the last one of the page before. */
  before?: string;
  limit: number;
}

interface AuditStore {
  insert(entry: AuditEntry, connection?: Connection): Promise<void>;
  list(filter: AuditFilter): Promise<AuditEntry[]>;
  /** Removes what is older; returns how many. */
  prune(beforeAt: number): Promise<number>;
}

const pruneChunk = 1000;
const longestChanges = 16_000;

/** Returns the audit log. Ids are ULIDs, so that a time is a range of keys. */
export function createAuditStore({ knex }: Database): AuditStore {
  return {
    async insert(entry, connection = knex) {
      await connection('audit_log').insert(toRow(entry));
    },

    async list({ accountId, actions, subject, instanceId, tokenKey, sinceAt, before, limit }) {
      const query = knex('audit_log').where({ account_id: accountId });
      if (actions) void query.whereIn('action', actions);
      if (subject !== undefined) void query.where({ subject });
      if (instanceId !== undefined) void query.where({ instance_id: instanceId });
      if (tokenKey !== undefined) void query.where({ actor_key: tokenKey });
      if (sinceAt !== undefined) void query.where('id', '>=', idFloor(sinceAt));
      if (before !== undefined) void query.where('id', '<', before);
      return ((await query.orderBy('id', 'desc').limit(limit)) as AuditRow[]).map(fromRow);
    },

    async prune(beforeAt) {
      let removed = 0;
      for (;;) {
        const old = (await knex('audit_log')
          .where('id', '<', idFloor(beforeAt))
          .orderBy('id')
          .limit(pruneChunk)
          .select('id')) as { id: string }[];
        if (old.length === 0) return removed;
        removed += await knex('audit_log').where('id', '<=', old.at(-1)!.id).delete();
      }
    },
  };
}

interface AuditRow {
  id: string;
  account_id: string;
  action: AuditAction;
  actor_kind: ActorKind;
  actor_key: string | null;
  actor_title: string | null;
  ip: string | null;
  subject: string | null;
  instance_id: string | null;
  changes: string;
  created_at: number;
}

function toRow({ actor, ...entry }: AuditEntry): AuditRow {
  const changes = JSON.stringify(entry.changes);
  return {
    id: entry.id,
    account_id: entry.accountId,
    action: entry.action,
    actor_kind: actor.kind,
    actor_key: actor.tokenKey,
    actor_title: actor.title,
    ip: actor.ip,
    subject: entry.subject,
    instance_id: entry.instanceId,
    changes: changes.length > longestChanges ? JSON.stringify({ too_long: { to: changes.length } }) : changes,
    created_at: entry.createdAt,
  };
}

function fromRow(row: AuditRow): AuditEntry {
  return {
    id: row.id,
    accountId: row.account_id,
    action: row.action,
    actor: { kind: row.actor_kind, tokenKey: row.actor_key, title: row.actor_title, ip: row.ip },
    subject: row.subject,
    instanceId: row.instance_id,
    changes: JSON.parse(row.changes) as AuditChanges,
    createdAt: Number(row.created_at),
  };
}
