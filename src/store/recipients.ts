import {
  type CampaignRecipient,
  campaignNumber,
  type RecipientCounts,
  type RecipientState,
  recipientStates,
} from '../model/campaign.ts';
import type { CampaignSlot } from '../model/message.ts';
import type { Connection, Database } from './database.ts';

/** A recipient before it is stored. */
export interface NewRecipient {
  lane: number;
  seq: number;
  /** Digits. */
  phone: string;
  state: 'queued' | 'opted_out';
  variables: Record<string, string> | null;
}

/** A recipient whose turn it is. */
export interface QueuedRecipient extends CampaignSlot {
  phone: string;
  variables: Record<string, string> | null;
}

/** Where a page of recipients ends. */
export interface RecipientCursor {
  lane: number;
  seq: number;
}

/** The table of the recipients of campaigns. */
export interface RecipientStore {
  /** Writes recipients that the campaign does not have yet; returns how many those were. */
  insert(connection: Connection, campaignId: string, recipients: readonly NewRecipient[]): Promise<number>;
  /** Returns the first queued recipient in [from, before). */
  next(
    trx: Connection,
    input: { campaignId: string; lane: number; from: number; before: number },
  ): Promise<QueuedRecipient | null>;
  /** Sets a recipient's state where it is `from`. */
  set(
    trx: Connection,
    slot: CampaignSlot,
    change: { state: RecipientState; reason: string | null; messageId?: string; now: number },
  ): Promise<void>;
  /** Returns a recipient for a change that follows in the same transaction. */
  lock(
    trx: Connection,
    slot: CampaignSlot,
  ): Promise<{ phone: string; state: RecipientState; messageId: string | null } | null>;
  /** Sets every queued row of [from, before) to `cancelled`; returns how many those were. */
  cancel(
    trx: Connection,
    input: { campaignId: string; lane: number; from: number; before: number; now: number },
  ): Promise<number>;
  /** Moves rows of a state in [from, before) on by `shift` and queues them; returns how many. */
  requeue(
    trx: Connection,
    input: { campaignId: string; lane: number; from: number; before: number; state: RecipientState; shift: number },
  ): Promise<number>;
  /** Removes rows of [from, before). */
  remove(
    connection: Connection,
    input: { campaignId: string; lane: number; from: number; before: number },
  ): Promise<number>;
  /** Returns the highest seq of every lane that has rows. */
  extents(campaignId: string): Promise<{ lane: number; last: number }[]>;
  /** Returns a page in the order of lanes, and where the next one begins. */
  page(input: {
    campaignId: string;
    state: RecipientState | null;
    after: RecipientCursor | null;
    limit: number;
  }): Promise<{ recipients: CampaignRecipient[]; next: RecipientCursor | null }>;
  /** Counts the rows by state: the truth that the counters must equal. */
  counts(campaignId: string): Promise<RecipientCounts>;
}

const names = Object.fromEntries(Object.entries(recipientStates).map(([name, number]) => [number, name])) as Record<
  number,
  RecipientState
>;
/** A page filtered by state looks at this many rows at most; it may then be short, but never slow. */
const scanRows = 20_000;

/** Returns the recipients table. */
export function createRecipientStore(database: Database): RecipientStore {
  const { knex, engine } = database;
  const table = (connection: Connection = knex) => connection('campaign_recipients');
  const range = (
    connection: Connection,
    { campaignId, lane, from, before }: { campaignId: string; lane: number; from: number; before: number },
  ) =>
    table(connection)
      .where({ campaign_id: campaignNumber(campaignId), lane })
      .where('seq', '>=', from)
      .where('seq', '<', before);

  return {
    async insert(connection, campaignId, recipients) {
      if (recipients.length === 0) return 0;
      const rows = recipients.map(({ lane, seq, phone, state, variables }) => [
        campaignNumber(campaignId)!,
        lane,
        seq,
        Number(phone),
        recipientStates[state],
        variables ? JSON.stringify(variables) : null,
      ]);
      if (engine === 'sqlite') {
        // One bound value for all rows: twice as fast as a row of question marks each.
        const { changes } = (await connection.raw(insertSqlite, [JSON.stringify(rows)])) as { changes: number };
        return changes;
      }
      const [{ affectedRows }] = (await connection.raw(
        `${insertMysql}${Array(rows.length).fill('(?,?,?,?,?,?)').join(',')}`,
        rows.flat() as (number | string)[],
      )) as [{ affectedRows: number }];
      return affectedRows;
    },

    async next(trx, { campaignId, lane, from, before }) {
      const row = (await range(trx, { campaignId, lane, from, before })
        .where({ state: recipientStates.queued })
        .orderBy('seq')
        .first('seq', 'phone', 'variables')) as { seq: number; phone: number; variables: string | null } | undefined;
      if (!row) return null;
      return { campaignId, lane, seq: row.seq, phone: String(row.phone), variables: parse(row.variables) };
    },

    async set(trx, { campaignId, lane, seq }, { state, reason, messageId, now }) {
      await table(trx)
        .where({ campaign_id: campaignNumber(campaignId), lane, seq })
        .update({
          state: recipientStates[state],
          reason,
          changed_at: now,
          ...(messageId ? { message_id: messageId } : {}),
        });
    },

    async lock(trx, { campaignId, lane, seq }) {
      const row = (await table(trx)
        .where({ campaign_id: campaignNumber(campaignId), lane, seq })
        .forUpdate()
        .first('phone', 'state', 'message_id')) as
        | { phone: number; state: number; message_id: string | null }
        | undefined;
      return row ? { phone: String(row.phone), state: names[row.state]!, messageId: row.message_id } : null;
    },

    cancel: async (trx, { now, ...rows }) =>
      range(trx, rows)
        .where({ state: recipientStates.queued })
        .update({ state: recipientStates.cancelled, changed_at: now }),

    requeue: async (trx, { state, shift, ...rows }) =>
      range(trx, rows)
        .where({ state: recipientStates[state] })
        .update({
          seq: trx.raw('seq + ?', [shift]),
          state: recipientStates.queued,
          reason: null,
          message_id: null,
          changed_at: null,
        }),

    remove: async (connection, rows) => range(connection, rows).delete(),

    async extents(campaignId) {
      const rows = (await table()
        .where({ campaign_id: campaignNumber(campaignId) })
        .groupBy('lane')
        .select('lane')
        .max({ last: 'seq' })) as { lane: number; last: number }[];
      return rows.map((row) => ({ lane: row.lane, last: Number(row.last) }));
    },

    async page({ campaignId, state, after, limit }) {
      const size = state ? scanRows : limit;
      const inLane = (lane: number, from: number, rows: number) =>
        table()
          .where({ campaign_id: campaignNumber(campaignId), lane })
          .where('seq', '>', from)
          .orderBy('seq')
          .limit(rows);
      const recipients: CampaignRecipient[] = [];
      let at: RecipientCursor | null = after ?? { lane: 0, seq: -1 };
      for (let looked = 0; at && recipients.length < limit && looked < size;) {
        const rows = (await inLane(at.lane, at.seq, Math.min(size - looked, 2_000))) as RecipientRow[];
        looked += Math.max(rows.length, 1);
        for (const row of rows) {
          if (recipients.length === limit) break;
          at = { lane: row.lane, seq: row.seq };
          if (!state || names[row.state] === state) recipients.push(fromRow(row));
        }
        if (rows.length === 0) at = await laneAfter(campaignId, at.lane);
      }
      return { recipients, next: at };
    },

    async counts(campaignId) {
      const rows = (await table()
        .where({ campaign_id: campaignNumber(campaignId) })
        .groupBy('state')
        .select('state')
        .count({ n: '*' })) as { state: number; n: number }[];
      const found = new Map(rows.map((row) => [names[row.state], Number(row.n)]));
      const states = Object.keys(recipientStates) as RecipientState[];
      return Object.fromEntries(states.map((state) => [state, found.get(state) ?? 0])) as RecipientCounts;
    },
  };

  async function laneAfter(campaignId: string, lane: number): Promise<RecipientCursor | null> {
    const row = (await knex('campaign_lanes')
      .where({ campaign_id: campaignNumber(campaignId) })
      .where('lane', '>', lane)
      .orderBy('lane')
      .first('lane')) as { lane: number } | undefined;
    return row ? { lane: row.lane, seq: -1 } : null;
  }
}

const columns = 'campaign_id, lane, seq, phone, state, variables';
const insertMysql = `INSERT IGNORE INTO campaign_recipients (${columns}) VALUES `;
const insertSqlite = `INSERT OR IGNORE INTO campaign_recipients (${columns})
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?)`;

interface RecipientRow {
  lane: number;
  seq: number;
  phone: number;
  state: number;
  reason: string | null;
  message_id: string | null;
  changed_at: number | null;
}

function fromRow(row: RecipientRow): CampaignRecipient {
  return {
    phone: String(row.phone),
    state: names[row.state]!,
    reason: row.reason,
    messageId: row.message_id,
    changedAt: row.changed_at,
  };
}

function parse(variables: string | null): Record<string, string> | null {
  return variables === null ? null : (JSON.parse(variables) as Record<string, string>);
}
