import type { Knex } from 'knex';
import {
  type Campaign,
  type CampaignHold,
  type CampaignState,
  campaignId,
  campaignNumber,
  type RecipientState,
} from '../model/campaign.ts';
import { type CampaignRow, counterColumn, fromRow, toColumns } from './campaign-rows.ts';
import type { Connection, Database } from './database.ts';
import { giveBackNumber, nextNumber } from './sequences.ts';

/** What of a campaign is written when it is made. */
export type NewCampaign = Pick<
  Campaign,
  | 'accountId'
  | 'instanceId'
  | 'name'
  | 'template'
  | 'media'
  | 'variables'
  | 'pacing'
  | 'window'
  | 'quietHours'
  | 'recipientEvents'
  | 'scheduleAt'
  | 'endAt'
  | 'createdAt'
>;

/** What a change of state writes beside it. */
export type StatePatch = Partial<
  Pick<Campaign, 'pauseReason' | 'hold' | 'holdUntil' | 'startedAt' | 'finishedAt'> & { forgetErrors: true }
>;

/** The table of campaigns. */
export interface CampaignStore {
  /** Makes a draft that is `loading`: it is not shown until its recipients are published. */
  create(input: NewCampaign): Promise<Campaign>;
  byId(id: string, connection?: Connection): Promise<Campaign | null>;
  /** Newest first; `before` is the last id of the page before. */
  list(input: {
    accountId: string;
    instanceId: string | null;
    state: CampaignState | null;
    before: string | null;
    limit: number;
  }): Promise<Campaign[]>;
  /** Returns the instance's campaigns in this state, oldest first. */
  ofInstance(instanceId: string, states: readonly CampaignState[]): Promise<Campaign[]>;
  /** Returns the instances that have running campaigns. */
  runningInstances(): Promise<string[]>;
  /** Returns scheduled campaigns whose time has come, and unfinished ones whose end time has. */
  due(now: number): Promise<Campaign[]>;
  /** Returns ended campaigns that still have queued rows. */
  unswept(): Promise<Campaign[]>;
  /** Returns ids of campaigns that ended before. */
  endedBefore(before: number, limit: number): Promise<string[]>;
  /** Returns the ids of files that unfinished campaigns send. */
  mediaInUse(): Promise<string[]>;
  /** Changes the state if it is one of `from`; false when it is not (any more). */
  move(
    trx: Connection,
    input: { id: string; from: readonly CampaignState[]; to: CampaignState } & StatePatch,
  ): Promise<boolean>;
  /** Ends a running campaign if nothing is queued or being sent. */
  complete(trx: Connection, id: string, now: number): Promise<boolean>;
  setHold(id: string, hold: CampaignHold | null, until: number | null): Promise<void>;
  /** Adds to counters; with `onlyRunning`, false when the campaign does not run (any more). */
  count(trx: Connection, id: string, delta: CountDelta, onlyRunning?: boolean): Promise<boolean>;
  /** Remembers how sends ended: `1` for a failure, `0` for a success, oldest first. */
  remember(trx: Connection, id: string, outcomes: string): Promise<void>;
  /** Returns how many of the last sends failed in a row, and the last 50 as written by `remember`. */
  errors(trx: Connection, id: string): Promise<{ streak: number; recent: string }>;
  /** 0 nothing, 1 recipients are being added, 2 the campaign is being made. */
  setLoading(id: string, loading: 0 | 1 | 2, connection?: Connection): Promise<void>;
  /** Marks this very campaign, if it is there, as being made: nobody sees it. */
  hide(trx: Connection, campaign: Pick<Campaign, 'id' | 'createdAt'>): Promise<void>;
  /** Returns what a gateway that ended was adding to, newest first. */
  loading(): Promise<{ id: string; loading: number }[]>;
  /** Removes a campaign and its lanes. */
  remove(id: string): Promise<void>;
  /** Removes a campaign that was never shown; the next one gets its number, unless there is a later one already. */
  withdraw(id: string): Promise<void>;
}

/** By how much counters of a campaign change. */
export type CountDelta = Partial<Record<RecipientState | 'duplicates' | 'invalid', number>>;

const recentLength = 50;
/** The series that campaigns are numbered by. */
const series = 'campaign';

/** Returns the table of campaigns. */
export function createCampaignStore(database: Database): CampaignStore {
  const { knex } = database;
  const table = (connection: Connection = knex) => connection('campaigns');
  const read = async (query: Knex.QueryBuilder): Promise<Campaign[]> => ((await query) as CampaignRow[]).map(fromRow);
  const ended: CampaignState[] = ['completed', 'cancelled', 'failed'];

  async function byId(id: string, connection?: Connection): Promise<Campaign | null> {
    const number = campaignNumber(id);
    if (number === null) return null;
    return (await read(table(connection).where({ id: number }).limit(1)))[0] ?? null;
  }

  async function removeRows(trx: Knex.Transaction, number: number | null): Promise<void> {
    await trx('campaign_lanes').where({ campaign_id: number }).delete();
    await table(trx).where({ id: number }).delete();
  }

  return {
    create: (input) =>
      database.transaction(async (trx) => {
        const id = campaignId(await nextNumber(trx, series));
        const { variables, pacing, window, quietHours, recipientEvents } = input;
        const name = input.name === '' ? id : input.name;
        await table(trx).insert({
          id: campaignNumber(id),
          account_id: input.accountId,
          instance_id: input.instanceId,
          name,
          template: input.template,
          media: input.media ? JSON.stringify(input.media) : null,
          options: JSON.stringify({ variables, pacing, window, quietHours, recipientEvents }),
          state: 'draft',
          loading: 2,
          schedule_at: input.scheduleAt,
          end_at: input.endAt,
          created_at: input.createdAt,
        });
        return (await byId(id, trx))!;
      }),

    byId,

    list({ accountId, instanceId, state, before, limit }) {
      const query = table()
        .where({ account_id: accountId })
        .whereNot({ loading: 2 })
        .orderBy('id', 'desc')
        .limit(limit);
      if (instanceId) void query.where({ instance_id: instanceId });
      if (state) void query.where({ state });
      if (before) void query.where('id', '<', campaignNumber(before) ?? 0);
      return read(query);
    },

    ofInstance: (instanceId, states) =>
      read(table().where({ instance_id: instanceId }).whereIn('state', states).whereNot({ loading: 2 }).orderBy('id')),

    async runningInstances() {
      const rows = (await table().where({ state: 'running' }).distinct('instance_id')) as { instance_id: string }[];
      return rows.map((row) => row.instance_id);
    },

    due: (now) =>
      read(
        table()
          .whereIn('state', ['scheduled', 'running', 'paused'])
          .where((query) =>
            query
              .where((started) => started.where({ state: 'scheduled' }).where('schedule_at', '<=', now))
              .orWhere('end_at', '<=', now),
          )
          .orderBy('id'),
      ),

    unswept: () => read(table().whereIn('state', ['cancelled', 'failed']).where('n_queued', '>', 0).orderBy('id')),

    async endedBefore(before, limit) {
      const rows = (await table()
        .whereIn('state', ended)
        .where('finished_at', '<', before)
        .orderBy('id')
        .limit(limit)
        .select('id')) as { id: number }[];
      return rows.map((row) => campaignId(row.id));
    },

    async mediaInUse() {
      const rows = (await table()
        .whereIn('state', ['draft', 'scheduled', 'running', 'paused'])
        .whereNotNull('media')
        .select('media')) as { media: string }[];
      return [...new Set(rows.map((row) => (JSON.parse(row.media) as NonNullable<Campaign['media']>).media.mediaId))];
    },

    async move(trx, { id, from, to, ...patch }) {
      const changed = await table(trx)
        .where({ id: campaignNumber(id) })
        .whereIn('state', from)
        .update({ state: to, ...toColumns(patch) });
      return changed > 0;
    },

    async complete(trx, id, now) {
      const changed = await table(trx)
        .where({ id: campaignNumber(id), state: 'running', n_queued: 0, n_sending: 0, loading: 0 })
        .update({ state: 'completed', finished_at: now, hold: null, hold_until: null });
      return changed > 0;
    },

    async setHold(id, hold, until) {
      await table()
        .where({ id: campaignNumber(id) })
        .update({ hold, hold_until: until });
    },

    async count(trx, id, delta, onlyRunning = false) {
      const query = table(trx).where({ id: campaignNumber(id) });
      if (onlyRunning) void query.where({ state: 'running' });
      const changes = Object.entries(delta).filter(([, by]) => by !== 0);
      if (changes.length === 0) return true;
      const columns = changes.map(([name, by]) => {
        const column = counterColumn(name);
        return [column, trx.raw('?? + ?', [column, by])] as const;
      });
      return (await query.update(Object.fromEntries(columns))) > 0;
    },

    async remember(trx, id, outcomes) {
      const last = outcomes.slice(-recentLength);
      const streak = last.length - 1 - last.lastIndexOf('0');
      const joined =
        database.engine === 'sqlite'
          ? `substr(recent || ?, -${recentLength})`
          : `right(concat(recent, ?), ${recentLength})`;
      await table(trx)
        .where({ id: campaignNumber(id) })
        .update({
          fail_streak: last.includes('0') ? streak : trx.raw('fail_streak + ?', [last.length]),
          recent: trx.raw(joined, [last]),
        });
    },

    async errors(trx, id) {
      const row = (await table(trx)
        .where({ id: campaignNumber(id) })
        .first('fail_streak', 'recent')) as { fail_streak: number; recent: string } | undefined;
      return { streak: row?.fail_streak ?? 0, recent: row?.recent ?? '' };
    },

    async setLoading(id, loading, connection) {
      await table(connection)
        .where({ id: campaignNumber(id) })
        .update({ loading });
    },

    async hide(trx, { id, createdAt }) {
      await table(trx)
        .where({ id: campaignNumber(id), created_at: createdAt })
        .update({ loading: 2 });
    },

    async loading() {
      const rows = (await table().where('loading', '>', 0).orderBy('id', 'desc').select('id', 'loading')) as {
        id: number;
        loading: number;
      }[];
      return rows.map((row) => ({ id: campaignId(row.id), loading: row.loading }));
    },

    remove: (id) => database.transaction((trx) => removeRows(trx, campaignNumber(id))),

    withdraw: (id) =>
      database.transaction(async (trx) => {
        const number = campaignNumber(id)!;
        // The series first, as `create` does: otherwise the two could wait for each other.
        await giveBackNumber(trx, series, number);
        await removeRows(trx, number);
      }),
  };
}
