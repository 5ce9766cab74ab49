import type { EventType } from '../model/events.ts';
import type { Endpoint } from '../model/webhook.ts';
import type { Connection, Database } from './database.ts';

/** An endpoint with its encrypted secret. */
export interface StoredEndpoint extends Endpoint {
  sealedSecret: string | null;
}

/** How an endpoint has been doing: its circuit breaker, kept so that it survives a restart. */
export type EndpointHealth = Pick<Endpoint, 'failStreak' | 'firstFailureAt' | 'openUntil'>;

/** What of an endpoint may change. */
export type EndpointPatch = Partial<
  Pick<StoredEndpoint, 'url' | 'events' | 'sealedSecret' | 'enabled' | 'disabledReason'> & EndpointHealth
>;

/** Whose endpoint: one for each scope and dialect. */
export interface EndpointScope {
  accountId: string;
  instanceId: string | null;
  dialect: string;
}

export interface WebhookStore {
  /** Returns every endpoint that is not disabled, oldest first. */
  enabled(connection?: Connection): Promise<StoredEndpoint[]>;
  byId(id: string): Promise<StoredEndpoint | null>;
  byScope(scope: EndpointScope): Promise<StoredEndpoint | null>;
  insert(endpoint: StoredEndpoint): Promise<void>;
  update(id: string, patch: EndpointPatch): Promise<void>;
  /** Notes how requests to a URL went; nothing when the endpoint has another one by now. */
  report(connection: Connection, endpoint: { id: string; url: string }, patch: EndpointPatch): Promise<void>;
  /** Removes the endpoint and what waits for it. */
  remove(id: string): Promise<void>;
  /** Returns the enabled endpoints that something waits for. */
  withWork(): Promise<string[]>;
}

/** Returns the table of webhook endpoints. */
export function createWebhookStore(database: Database): WebhookStore {
  const { knex } = database;
  const table = (connection: Connection = knex) => connection('webhook_endpoints');
  const one = async (where: Record<string, unknown>) => {
    const row = (await table().where(where).orderBy('id').first()) as EndpointRow | undefined;
    return row ? fromRow(row) : null;
  };

  return {
    async enabled(connection) {
      const rows = (await table(connection).where({ enabled: true }).orderBy('id')) as EndpointRow[];
      return rows.map(fromRow);
    },

    byId: (id) => one({ id }),
    byScope: ({ accountId, instanceId, dialect }) => one({ account_id: accountId, instance_id: instanceId, dialect }),

    async insert(endpoint) {
      await table().insert({
        id: endpoint.id,
        account_id: endpoint.accountId,
        instance_id: endpoint.instanceId,
        dialect: endpoint.dialect,
        created_at: endpoint.createdAt,
        ...toColumns(endpoint),
      });
    },

    async update(id, patch) {
      await table().where({ id }).update(toColumns(patch));
    },

    async report(connection, { id, url }, patch) {
      await table(connection).where({ id, url }).update(toColumns(patch));
    },

    async remove(id) {
      await database.transaction(async (trx) => {
        await trx('webhook_deliveries').where({ endpoint_id: id }).delete();
        await trx('webhook_attempts').where({ endpoint_id: id }).delete();
        await trx('webhook_endpoints').where({ id }).delete();
      });
    },

    async withWork() {
      const rows = (await knex('webhook_endpoints as e')
        .where('e.enabled', true)
        .whereExists((query) =>
          query
            .select(knex.raw('1'))
            .from('webhook_deliveries as d')
            .whereRaw('d.endpoint_id = e.id')
            .whereIn('d.state', ['pending', 'retry']),
        )
        .select('e.id')) as { id: string }[];
      return rows.map((row) => row.id);
    },
  };
}

interface EndpointRow {
  id: string;
  account_id: string;
  instance_id: string | null;
  url: string;
  dialect: string;
  events: string;
  secret: string | null;
  enabled: number | boolean;
  disabled_reason: string | null;
  fail_streak: number;
  first_failure_at: number | null;
  open_until: number | null;
  created_at: number;
}

const columnOf = {
  url: 'url',
  events: 'events',
  sealedSecret: 'secret',
  enabled: 'enabled',
  disabledReason: 'disabled_reason',
  failStreak: 'fail_streak',
  firstFailureAt: 'first_failure_at',
  openUntil: 'open_until',
} as const;

function toColumns(patch: Partial<StoredEndpoint>): Record<string, unknown> {
  const columns: Record<string, unknown> = {};
  for (const [key, column] of Object.entries(columnOf)) {
    const value = patch[key as keyof typeof columnOf];
    if (value !== undefined) columns[column] = key === 'events' ? JSON.stringify(value) : value;
  }
  return columns;
}

function fromRow(row: EndpointRow): StoredEndpoint {
  return {
    id: row.id,
    accountId: row.account_id,
    instanceId: row.instance_id,
    url: row.url,
    dialect: row.dialect,
    events: JSON.parse(row.events) as EventType[],
    hasSecret: row.secret !== null,
    sealedSecret: row.secret,
    enabled: Boolean(row.enabled),
    disabledReason: row.disabled_reason,
    failStreak: row.fail_streak,
    firstFailureAt: row.first_failure_at,
    openUntil: row.open_until,
    createdAt: row.created_at,
  };
}
