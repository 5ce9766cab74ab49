import type { Knex } from 'knex';
import type { ActionCode } from '../model/action.ts';
import type { SelfTest } from '../model/features.ts';
import { instanceId } from '../model/ids.ts';
import type { ConflictPolicy, Instance, InstanceState } from '../model/instance.ts';
import type { Jid } from '../model/jid.ts';
import type { Connection, Database } from './database.ts';
import { nextNumber } from './sequences.ts';

/** What of an instance may change after it was made. */
export type InstancePatch = Partial<Omit<Instance, 'id' | 'accountId' | 'createdAt'>>;

/** What an instance begins with. */
interface NewInstance {
  accountId: string;
  title: string | null;
  defaultCountry: string | null;
  now: number;
}

/** The table of instances. */
export interface InstanceStore {
  create(input: NewInstance, trx?: Knex.Transaction): Promise<Instance>;
  byId(id: string): Promise<Instance | null>;
  /** Returns the instance for a change that follows in the same transaction: nobody else changes it until then. */
  lock(trx: Knex.Transaction, id: string): Promise<Instance | null>;
  byIds(ids: string[]): Promise<Instance[]>;
  list(accountId: string): Promise<Instance[]>;
  /** The account's instances with this number, oldest first. */
  withPhone(accountId: string, phone: string): Promise<Instance[]>;
  /** Every instance that should run, oldest first. */
  wanted(): Promise<Instance[]>;
  /** Every instance that keeps a sealed proxy, of all accounts; in a transaction it locks them. */
  sealed(trx?: Knex.Transaction): Promise<Instance[]>;
  update(id: string, patch: InstancePatch, connection?: Connection): Promise<void>;
  /** Hides the instance for good; its messages keep their instance id. */
  remove(id: string, now: number): Promise<void>;
}

/** Returns the instances table. */
export function createInstanceStore(database: Database): InstanceStore {
  const { knex } = database;
  const live = () => knex('instances').where({ deleted_at: null });
  const read = async (query: Knex.QueryBuilder): Promise<Instance[]> =>
    ((await query.orderBy('created_at').orderBy('id')) as InstanceRow[]).map(fromRow);

  async function insert(
    trx: Knex.Transaction,
    { accountId, title, defaultCountry, now }: NewInstance,
  ): Promise<Instance> {
    const id = instanceId(await nextNumber(trx, 'instance'), now);
    const instance: Instance = {
      id,
      accountId,
      title: title ?? id,
      desiredState: 'run',
      state: 'created',
      reason: null,
      actionCode: null,
      stateSince: now,
      attempts: 0,
      nextAttemptAt: null,
      linkedAt: null,
      onConflict: 'wait',
      proxySealed: null,
      userAgent: null,
      phone: null,
      lid: null,
      pushName: null,
      defaultCountry,
      webVersion: null,
      selfTest: null,
      selfTestAt: null,
      lastEventAt: null,
      lastReadyAt: null,
      createdAt: now,
    };
    await trx('instances').insert({ id, account_id: accountId, created_at: now, ...toColumns(instance) });
    return instance;
  }

  return {
    create: (input, trx) => (trx ? insert(trx, input) : database.transaction((own) => insert(own, input))),

    async byId(id) {
      const row = (await live().where({ id }).first()) as InstanceRow | undefined;
      return row ? fromRow(row) : null;
    },

    async lock(trx, id) {
      const row = (await trx('instances').where({ id, deleted_at: null }).forUpdate().first()) as
        | InstanceRow
        | undefined;
      return row ? fromRow(row) : null;
    },

    async byIds(ids) {
      const rows = (await knex('instances').whereIn('id', ids)) as InstanceRow[];
      return rows.map(fromRow);
    },

    list: (accountId) => read(live().where({ account_id: accountId })),
    withPhone: (accountId, phone) => read(live().where({ account_id: accountId, phone })),
    wanted: () => read(live().where({ desired_state: 'run' })),

    async sealed(trx) {
      const query = (trx ?? knex)('instances').where({ deleted_at: null }).whereNotNull('proxy_sealed').orderBy('id');
      if (trx) void query.forUpdate();
      return ((await query) as InstanceRow[]).map(fromRow);
    },

    async update(id, patch, connection = knex) {
      const columns = toColumns(patch);
      if (Object.keys(columns).length > 0) await connection('instances').where({ id }).update(columns);
    },

    async remove(id, now) {
      await knex('instances').where({ id }).update({ deleted_at: now, desired_state: 'stopped' });
    },
  };
}

const columnOf = {
  title: 'title',
  desiredState: 'desired_state',
  state: 'state',
  reason: 'reason',
  actionCode: 'action_code',
  stateSince: 'state_since',
  attempts: 'attempts',
  nextAttemptAt: 'next_attempt_at',
  linkedAt: 'linked_at',
  onConflict: 'on_conflict',
  proxySealed: 'proxy_sealed',
  userAgent: 'user_agent',
  phone: 'phone',
  lid: 'lid',
  pushName: 'push_name',
  defaultCountry: 'default_country',
  webVersion: 'web_version',
  selfTest: 'self_test',
  selfTestAt: 'self_test_at',
  lastEventAt: 'last_event_at',
  lastReadyAt: 'last_ready_at',
} as const satisfies Record<keyof InstancePatch, string>;

function toColumns(patch: InstancePatch): Record<string, unknown> {
  const columns: Record<string, unknown> = {};
  for (const [key, column] of Object.entries(columnOf)) {
    const value = patch[key as keyof InstancePatch];
    if (value !== undefined) columns[column] = columnValue(key, value);
  }
  return columns;
}

function columnValue(key: string, value: unknown): unknown {
  if (key === 'reason' && typeof value === 'string') return value.slice(0, 500);
  return key === 'selfTest' && value !== null ? JSON.stringify(value) : value;
}

interface InstanceRow {
  id: string;
  account_id: string;
  title: string;
  desired_state: 'run' | 'stopped';
  state: InstanceState;
  reason: string | null;
  action_code: ActionCode | null;
  state_since: number | null;
  attempts: number;
  next_attempt_at: number | null;
  linked_at: number | null;
  on_conflict: ConflictPolicy;
  proxy_sealed: string | null;
  user_agent: string | null;
  phone: string | null;
  lid: Jid | null;
  push_name: string | null;
  default_country: string | null;
  web_version: string | null;
  self_test: string | null;
  self_test_at: number | null;
  last_event_at: number | null;
  last_ready_at: number | null;
  created_at: number;
}

function fromRow(row: InstanceRow): Instance {
  return {
    id: row.id,
    accountId: row.account_id,
    title: row.title,
    desiredState: row.desired_state,
    state: row.state,
    reason: row.reason,
    actionCode: row.action_code,
    stateSince: row.state_since,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    linkedAt: row.linked_at,
    onConflict: row.on_conflict,
    proxySealed: row.proxy_sealed,
    userAgent: row.user_agent,
    phone: row.phone,
    lid: row.lid,
    pushName: row.push_name,
    defaultCountry: row.default_country,
    webVersion: row.web_version,
    selfTest: row.self_test === null ? null : (JSON.parse(row.self_test) as SelfTest),
    selfTestAt: row.self_test_at,
    lastEventAt: row.last_event_at,
    lastReadyAt: row.last_ready_at,
    createdAt: row.created_at,
  };
}
