import type { Knex } from 'knex';
import type { EventChoice } from '../model/events.ts';
import type { Endpoint } from '../model/webhook.ts';
import type { Connection, Database } from './database.ts';

/** An endpoint with its encrypted secret. */
export interface StoredEndpoint extends Endpoint {
  sealedSecret: string | null;
  /** Secrets that were replaced and still sign until their time, newest first. */
  oldSecrets: { sealed: string; until: number }[];
  /** The extra headers as encrypted JSON. */
  sealedHeaders: string | null;
}

/** How an endpoint has been doing: its circuit breaker, kept so that it survives a restart. */
export type EndpointHealth = Pick<Endpoint, 'failStreak' | 'firstFailureAt' | 'exhausted' | 'openUntil'>;

/** What of an endpoint may change. */
export type EndpointPatch = Partial<
  Pick<
    StoredEndpoint,
    | 'title'
    | 'url'
    | 'events'
    | 'sealedSecret'
    | 'oldSecrets'
    | 'sealedHeaders'
    | 'headerNames'
    | 'isOrdered'
    | 'retrySeconds'
    | 'enabled'
    | 'disabledReason'
  > &
    EndpointHealth
>;

/** Whose endpoint, in whose words. */
export interface EndpointScope {
  accountId: string;
  instanceId: string | null;
  dialect: string;
}

/** The table of webhook endpoints. */
export interface WebhookStore {
  /** Returns every endpoint that is not disabled, oldest first. */
  enabled(connection?: Connection): Promise<StoredEndpoint[]>;
  byId(id: string): Promise<StoredEndpoint | null>;
  /** Returns the default endpoint of a scope. */
  byScope(scope: EndpointScope): Promise<StoredEndpoint | null>;
  /** Returns an account's endpoints, oldest first. */
  ofAccount(accountId: string): Promise<StoredEndpoint[]>;
  /** Returns every endpoint that keeps something sealed, of all accounts; in a transaction it locks them. */
  sealed(trx?: Knex.Transaction): Promise<StoredEndpoint[]>;
  insert(endpoint: StoredEndpoint, connection?: Connection): Promise<void>;
  update(id: string, patch: EndpointPatch, connection?: Connection): Promise<void>;
  /** Notes how requests to a URL went; nothing when the endpoint has another one by now. */
  report(connection: Connection, endpoint: { id: string; url: string }, patch: EndpointPatch): Promise<void>;
  /** Disables the endpoint; returns false when it has another URL by now or is disabled already. */
  disable(connection: Connection, endpoint: { id: string; url: string }, reason: string): Promise<boolean>;
  /** Removes the endpoint and what waits for it. */
  remove(connection: Connection, id: string): Promise<void>;
  /** Returns the enabled endpoints that something waits for. */
  withWork(): Promise<Pick<StoredEndpoint, 'id' | 'retrySeconds'>[]>;
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
    byScope: ({ accountId, instanceId, dialect }) =>
      one({ account_id: accountId, instance_id: instanceId, dialect, is_default: true }),

    async ofAccount(accountId) {
      const rows = (await table().where({ account_id: accountId }).orderBy('id')) as EndpointRow[];
      return rows.map(fromRow);
    },

    async sealed(trx) {
      const query = table(trx)
        .where((any) => any.whereNotNull('secret').orWhereNotNull('headers').orWhereNotNull('old_secrets'))
        .orderBy('id');
      if (trx) void query.forUpdate();
      return ((await query) as EndpointRow[]).map(fromRow);
    },

    async insert(endpoint, connection) {
      await table(connection).insert({
        id: endpoint.id,
        account_id: endpoint.accountId,
        instance_id: endpoint.instanceId,
        dialect: endpoint.dialect,
        is_default: endpoint.isDefault,
        created_at: endpoint.createdAt,
        ...toColumns(endpoint),
      });
    },

    async update(id, patch, connection) {
      await table(connection).where({ id }).update(toColumns(patch));
    },

    async report(connection, { id, url }, patch) {
      await table(connection).where({ id, url }).update(toColumns(patch));
    },

    async disable(connection, { id, url }, reason) {
      const changed: number = await table(connection)
        .where({ id, url, enabled: true })
        .update(toColumns({ enabled: false, disabledReason: reason.slice(0, 255) }));
      return changed > 0;
    },

    async remove(connection, id) {
      await connection('webhook_deliveries').where({ endpoint_id: id }).delete();
      await connection('webhook_attempts').where({ endpoint_id: id }).delete();
      await connection('webhook_endpoints').where({ id }).delete();
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
        .select('e.id', 'e.retry_seconds')) as Pick<EndpointRow, 'id' | 'retry_seconds'>[];
      return rows.map((row) => ({ id: row.id, retrySeconds: retrySecondsOf(row) }));
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
  is_default: number | boolean;
  is_ordered: number | boolean;
  retry_seconds: string | null;
  title: string | null;
  headers: string | null;
  old_secrets: string | null;
  exhausted: number;
  enabled: number | boolean;
  disabled_reason: string | null;
  fail_streak: number;
  first_failure_at: number | null;
  open_until: number | null;
  created_at: number;
}

const columnOf = {
  title: 'title',
  url: 'url',
  sealedSecret: 'secret',
  isOrdered: 'is_ordered',
  enabled: 'enabled',
  disabledReason: 'disabled_reason',
  failStreak: 'fail_streak',
  firstFailureAt: 'first_failure_at',
  exhausted: 'exhausted',
  openUntil: 'open_until',
} as const;

function toColumns(patch: EndpointPatch): Record<string, unknown> {
  const columns: Record<string, unknown> = {};
  for (const [key, column] of Object.entries(columnOf)) {
    const value = patch[key as keyof typeof columnOf];
    if (value !== undefined) columns[column] = value;
  }
  if (patch.events) columns.events = JSON.stringify(patch.events);
  if (patch.oldSecrets) columns.old_secrets = patch.oldSecrets.length > 0 ? JSON.stringify(patch.oldSecrets) : null;
  if (patch.retrySeconds !== undefined)
    columns.retry_seconds = patch.retrySeconds && JSON.stringify(patch.retrySeconds);
  if (patch.sealedHeaders !== undefined)
    columns.headers =
      patch.sealedHeaders === null
        ? null
        : JSON.stringify({ names: patch.headerNames ?? [], sealed: patch.sealedHeaders });
  return columns;
}

function fromRow(row: EndpointRow): StoredEndpoint {
  const headers = row.headers === null ? null : (JSON.parse(row.headers) as { names: string[]; sealed: string });
  return {
    id: row.id,
    accountId: row.account_id,
    instanceId: row.instance_id,
    url: row.url,
    dialect: row.dialect,
    events: JSON.parse(row.events) as EventChoice[],
    isDefault: Boolean(row.is_default),
    title: row.title,
    hasSecret: row.secret !== null,
    sealedSecret: row.secret,
    oldSecrets: row.old_secrets === null ? [] : (JSON.parse(row.old_secrets) as StoredEndpoint['oldSecrets']),
    headerNames: headers?.names ?? [],
    sealedHeaders: headers?.sealed ?? null,
    isOrdered: Boolean(row.is_ordered),
    retrySeconds: retrySecondsOf(row),
    exhausted: row.exhausted,
    enabled: Boolean(row.enabled),
    disabledReason: row.disabled_reason,
    failStreak: row.fail_streak,
    firstFailureAt: row.first_failure_at,
    openUntil: row.open_until,
    createdAt: row.created_at,
  };
}

function retrySecondsOf({ retry_seconds }: Pick<EndpointRow, 'retry_seconds'>): number[] | null {
  return retry_seconds === null ? null : (JSON.parse(retry_seconds) as number[]);
}
