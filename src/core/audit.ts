import type { Knex } from 'knex';
import type { Actor, AuditAction, AuditChanges, AuditEntry } from '../model/audit.ts';
import type { Clock } from '../model/time.ts';
import { type Caller, commandLineTitle } from '../model/token.ts';
import { type AuditFilter, createAuditStore } from '../store/audit.ts';
import type { Database } from '../store/database.ts';

/** What was changed. */
interface AuditFact {
  action: AuditAction;
  /** The id or key of what was changed. */
  subject?: string | null;
  instanceId?: string | null;
  changes?: AuditChanges;
}

/** The book of who changed what. */
export interface Audit {
  /** Writes a change down, in the transaction that makes it where there is one. */
  record(caller: Caller, fact: AuditFact, trx?: Knex.Transaction): Promise<void>;
  /** Newest first; a token of one instance sees what concerns that instance. */
  list(caller: Caller, filter: Omit<AuditFilter, 'accountId'>): Promise<AuditEntry[]>;
  /** Removes what is older than this Unix ms; returns how many. */
  prune(beforeAt: number): Promise<number>;
}

/** Returns the audit log. It holds nothing but the table, so every part may make its own. */
export function createAudit({
  database,
  clock,
  newId,
}: {
  database: Database;
  clock: Pick<Clock, 'now'>;
  newId: () => string;
}): Audit {
  const store = createAuditStore(database);
  return {
    async record(caller, { action, subject = null, instanceId = null, changes = {} }, trx) {
      const { accountId } = caller;
      const actor = actorOf(caller);
      const createdAt = clock.now();
      await store.insert({ id: newId(), accountId, action, actor, subject, instanceId, changes, createdAt }, trx);
    },

    async list({ accountId, token }, filter) {
      const bound = token.instanceId;
      if (bound === null) return store.list({ ...filter, accountId });
      const isElsewhere = (filter.instanceId ?? bound) !== bound;
      return isElsewhere ? [] : store.list({ ...filter, instanceId: bound, accountId });
    },

    prune: (beforeAt) => store.prune(beforeAt),
  };
}

/** Returns whom a call is put down to. */
function actorOf({ token, ip: address }: Caller): Actor {
  const { title } = token;
  const ip = address ?? null;
  if (title === commandLineTitle) return { kind: 'command_line', tokenKey: null, title: null, ip };
  if (token.id === '') return { kind: 'gateway', tokenKey: null, title: null, ip };
  return { kind: 'token', tokenKey: token.key, title, ip };
}

/** Returns what differs between two states of a thing, by the names of `after`. */
export function changesBetween(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): AuditChanges {
  const changes: AuditChanges = {};
  for (const [name, to] of Object.entries(after)) {
    const from = before[name];
    if (JSON.stringify(from ?? null) === JSON.stringify(to ?? null)) continue;
    changes[name] = { ...(isThere(from) && { from }), ...(isThere(to) && { to }) };
  }
  return changes;
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}
