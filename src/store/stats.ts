import { decodeTime } from 'ulid';
import type { CampaignState } from '../model/campaign.ts';
import { type Feature, missingFeatures, type SelfTest } from '../model/features.ts';
import type { Instance } from '../model/instance.ts';
import { priorities } from '../model/message.ts';
import type { Database } from './database.ts';

/** What monitoring is told of an instance. */
export type InstanceStat = Pick<
  Instance,
  'id' | 'state' | 'desiredState' | 'attempts' | 'lastReadyAt' | 'lastEventAt'
> & {
  /** What its page was found to lack. */
  missingFeatures: Feature[];
};

/** What waits to be sent by one instance. */
export interface QueueStat {
  instanceId: string;
  /** At most `countLimit`. */
  count: number;
  /** Those that wait for a time of their own; at most `countLimit`. */
  scheduled: number;
  /** Since when the one that waits longest could have been sent, Unix ms. */
  oldestAt: number | null;
}

interface WebhookStat {
  endpoints: Record<'working' | 'failing' | 'open' | 'disabled', number>;
  /** At most `countLimit` for each endpoint. */
  waiting: Record<'pending' | 'retry', number>;
  /** When the oldest event was made that an enabled endpoint still has to get, Unix ms. */
  oldestAt: number | null;
}

/** The counts that monitoring asks for. Each is a few steps in an index, however much the tables hold. */
export interface StatsStore {
  instances(): Promise<InstanceStat[]>;
  queues(instanceIds: readonly string[]): Promise<QueueStat[]>;
  campaigns(): Promise<{ byState: Partial<Record<CampaignState, number>>; waiting: number }>;
  webhooks(now: number): Promise<WebhookStat>;
}

/** Counting stops here: whoever waits for so many needs no exact number, and nobody waits for the count. */
export const countLimit = 10_000;

/** SQLite takes 500 selects in one statement, and a statement should stay readable in a log. */
const selectsPerStatement = 50;

/** Returns the questions of monitoring. */
export function createStatsStore({ knex }: Database): StatsStore {
  /** One select for each key, all of them in one statement: a round trip each would be most of the time. */
  async function forEach<Row>(keys: readonly string[], select: string, bindings: (key: string) => string[]) {
    const rows: Row[] = [];
    for (let at = 0; at < keys.length; at += selectsPerStatement) {
      const some = keys.slice(at, at + selectsPerStatement);
      const answer = (await knex.raw(some.map(() => select).join(' union all '), some.flatMap(bindings))) as unknown;
      // mysql2 answers with [rows, columns].
      rows.push(...((Array.isArray((answer as unknown[])[0]) ? (answer as unknown[])[0] : answer) as Row[]));
    }
    return rows;
  }

  return {
    async instances() {
      const rows = (await knex('instances')
        .where({ deleted_at: null })
        .select('id', 'state', 'desired_state', 'attempts', 'last_ready_at', 'last_event_at', 'self_test')) as {
        id: string;
        state: InstanceStat['state'];
        desired_state: InstanceStat['desiredState'];
        attempts: number;
        last_ready_at: number | null;
        last_event_at: number | null;
        self_test: string | null;
      }[];
      return rows.map((row) => ({
        id: row.id,
        state: row.state,
        desiredState: row.desired_state,
        attempts: row.attempts,
        lastReadyAt: row.last_ready_at,
        lastEventAt: row.last_event_at,
        missingFeatures: row.self_test === null ? [] : missingFeatures(JSON.parse(row.self_test) as SelfTest),
      }));
    },

    async queues(instanceIds) {
      const rows = await forEach<
        { instance_id: string; waiting: number; scheduled: number } & Record<string, number | null>
      >(instanceIds, queueSelect, (id) => [id, id, id, ...Object.values(priorities).map(() => id)]);
      return rows.map((row) => ({
        instanceId: row.instance_id,
        count: Number(row.waiting),
        scheduled: Number(row.scheduled),
        oldestAt: earliest(Object.keys(priorities).map((name) => row[`oldest_${name}`] ?? null)),
      }));
    },

    async campaigns() {
      const states = (await knex('campaigns').groupBy('state').select('state').count('* as count')) as {
        state: CampaignState;
        count: number;
      }[];
      const running = (await knex('campaigns').where({ state: 'running' }).sum('n_queued as waiting').first()) as {
        waiting: number | null;
      };
      return {
        byState: Object.fromEntries(states.map(({ state, count }) => [state, Number(count)])),
        waiting: Number(running.waiting ?? 0),
      };
    },

    async webhooks(now) {
      const endpoints = (await knex('webhook_endpoints').select('id', 'enabled', 'fail_streak', 'open_until')) as {
        id: string;
        enabled: boolean | number;
        fail_streak: number;
        open_until: number | null;
      }[];
      const stat: WebhookStat = {
        endpoints: { working: 0, failing: 0, open: 0, disabled: 0 },
        waiting: { pending: 0, retry: 0 },
        oldestAt: null,
      };
      for (const endpoint of endpoints) stat.endpoints[healthOf(endpoint)] += 1;
      const rows = await forEach<DeliveriesRow>(
        endpoints.filter(({ enabled }) => enabled).map(({ id }) => id),
        deliveriesSelect,
        (id) => [id, id, id, id],
      );
      for (const { pending, retry } of rows) {
        stat.waiting.pending += Number(pending);
        stat.waiting.retry += Number(retry);
      }
      stat.oldestAt = earliest(rows.flatMap((row) => [row.oldest_pending, row.oldest_retry].map(timeOf)));
      return stat;

      function healthOf({
        enabled,
        open_until,
        fail_streak,
      }: (typeof endpoints)[number]): keyof WebhookStat['endpoints'] {
        if (!enabled) return 'disabled';
        if (open_until !== null && open_until > now) return 'open';
        return fail_streak > 0 ? 'failing' : 'working';
      }
    },
  };
}

interface DeliveriesRow {
  pending: number;
  retry: number;
  oldest_pending: string | null;
  oldest_retry: string | null;
}

/** The first row of each priority is found by its place in the index; over all of them it would have to be looked for. */
const queueSelect = `select ? as instance_id, ${counted("messages where instance_id = ? and state = 'queued'")} as waiting, ${counted("messages where instance_id = ? and state = 'scheduled'")} as scheduled, ${Object.entries(
  priorities,
)
  .map(
    ([name, priority]) =>
      `(select case when send_at > created_at then send_at else created_at end from messages where instance_id = ? and state = 'queued' and priority = ${priority} order by id limit 1) as oldest_${name}`,
  )
  .join(', ')}`;

const waitingFor = (state: string) => `webhook_deliveries where endpoint_id = ? and state = '${state}'`;
const deliveriesSelect = `select ${counted(waitingFor('pending'))} as pending, ${counted(waitingFor('retry'))} as retry, (select min(id) from ${waitingFor('pending')}) as oldest_pending, (select min(id) from ${waitingFor('retry')}) as oldest_retry`;

function counted(rows: string): string {
  return `(select count(*) from (select 1 from ${rows} limit ${countLimit}) as some)`;
}

function earliest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length > 0 ? Math.min(...known) : null;
}

/** Ids tell when their row was made. */
function timeOf(id: string | null): number | null {
  return id === null ? null : decodeTime(id);
}
