import { campaignNumber, type Pacing } from '../model/campaign.ts';
import type { Connection, Database } from './database.ts';

/** What is known of a number that sends in bulk. */
export interface NumberPacing {
  /** Overrides of the safe defaults for this number. */
  pacing: Partial<Pacing>;
  /** No bulk message before this. */
  nextSendAt: number;
  /** Sends left until a long break; null: not drawn yet. */
  sendsUntilBreak: number | null;
  /** The last bulk message: while it is being sent, no other is. */
  lastMessageId: string | null;
  /** Since when this link exists; null before the first. */
  pairedAt: number | null;
  /** WhatsApp has told that it restricts the number until then. */
  restrictedUntil: number | null;
}

/** What a day has seen. */
interface NumberDay {
  sent: number;
  newChats: number;
}

/** What speaks against writing to a person now. */
export interface Objections {
  optedOut: boolean;
  /** Asked lately, and the answer was no. */
  notOnWhatsApp: boolean;
  /** Another campaign of the account sent the same text lately. */
  hadSameText: boolean;
  /** No chat is known with this person. */
  isNewChat: boolean;
}

/** The table of sending numbers: their pacing and what they sent. */
export interface NumberStore {
  /** Returns the row, made when it is not there, for changes that follow in the same transaction. */
  lock(trx: Connection, instanceId: string): Promise<NumberPacing>;
  get(instanceId: string): Promise<NumberPacing>;
  update(connection: Connection, instanceId: string, patch: Partial<NumberPacing>): Promise<void>;
  /** `day` as 20261121 on the number's own calendar. */
  day(connection: Connection, instanceId: string, day: number): Promise<NumberDay>;
  addToDay(trx: Connection, instanceId: string, day: number, add: NumberDay): Promise<void>;
  objections(
    trx: Connection,
    input: {
      accountId: string;
      instanceId: string;
      campaignId: string;
      phone: string;
      textHash: string;
      checkedAfter: number;
      sentAfter: number;
    },
  ): Promise<Objections>;
  /** Remembers that a text goes to a person. */
  writes(
    trx: Connection,
    input: { accountId: string; instanceId: string; campaignId: string; phone: string; textHash: string; now: number },
  ): Promise<void>;
  /** Forgets a text that did not go out. */
  unwrites(trx: Connection, input: { accountId: string; phone: string; textHash: string }): Promise<void>;
  /** Remembers people who have written to the instance. */
  heard(trx: Connection, instanceId: string, phones: readonly string[], now: number): Promise<void>;
  /** Tells whether the instance has ever written to this person in bulk. */
  wroteInBulk(connection: Connection, instanceId: string, phone: string): Promise<boolean>;
  /** Remembers what WhatsApp says of a number. */
  checked(trx: Connection, phone: string, onWhatsApp: boolean, now: number): Promise<void>;
  /** Removes what is too old to matter. */
  prune(before: { checkedAt: number; sentAt: number; day: number }): Promise<void>;
}

/** Returns the tables of what numbers have done: pacing, days, checks, chats and texts. */
export function createNumberStore(database: Database): NumberStore {
  const { knex } = database;

  async function pacingRow(connection: Connection, instanceId: string, lock: boolean): Promise<NumberPacing | null> {
    const query = connection('number_pacing').where({ instance_id: instanceId });
    if (lock) void query.forUpdate();
    const row = (await query.first()) as PacingRow | undefined;
    return row ? fromRow(row) : null;
  }

  return {
    async lock(trx, instanceId) {
      const row = await pacingRow(trx, instanceId, true);
      if (row) return row;
      await trx('number_pacing').insert({ instance_id: instanceId }).onConflict('instance_id').ignore();
      return (await pacingRow(trx, instanceId, true))!;
    },

    get: async (instanceId) => (await pacingRow(knex, instanceId, false)) ?? unknownNumber,

    async update(connection, instanceId, patch) {
      const columns = toColumns(patch);
      const changed = await connection('number_pacing').where({ instance_id: instanceId }).update(columns);
      if (changed === 0)
        await connection('number_pacing')
          .insert({ instance_id: instanceId, ...columns })
          .onConflict('instance_id')
          .merge(columns);
    },

    async day(connection, instanceId, day) {
      const row = (await connection('number_days')
        .where({ instance_id: instanceId, day })
        .first('sent', 'new_chats')) as { sent: number; new_chats: number } | undefined;
      return { sent: row?.sent ?? 0, newChats: row?.new_chats ?? 0 };
    },

    async addToDay(trx, instanceId, day, { sent, newChats }) {
      await trx('number_days')
        .insert({ instance_id: instanceId, day, sent, new_chats: newChats })
        .onConflict(['instance_id', 'day'])
        .merge({
          sent: trx.raw('?? + ?', ['number_days.sent', sent]),
          new_chats: trx.raw('?? + ?', ['number_days.new_chats', newChats]),
        });
    },

    async objections(trx, { accountId, instanceId, campaignId, phone, textHash, checkedAfter, sentAfter }) {
      const number = Number(phone);
      const row = (await trx
        .select({
          opted_out: trx('opt_outs').where({ account_id: accountId, phone: number }).select(trx.raw('1')),
          missing: trx('number_checks')
            .where({ phone: number, on_whatsapp: false })
            .where('checked_at', '>', checkedAfter)
            .select(trx.raw('1')),
          same: trx('bulk_texts')
            .where({ account_id: accountId, phone: number, text_hash: textHash })
            .where('sent_at', '>', sentAfter)
            .whereNot({ campaign_id: campaignNumber(campaignId) })
            .select(trx.raw('1')),
          known: trx('known_chats').where({ instance_id: instanceId, phone: number }).select(trx.raw('1')),
        })
        .first()) as Record<'opted_out' | 'missing' | 'same' | 'known', number | null>;
      return {
        optedOut: row.opted_out !== null,
        notOnWhatsApp: row.missing !== null,
        hadSameText: row.same !== null,
        isNewChat: row.known === null,
      };
    },

    async writes(trx, { accountId, instanceId, campaignId, phone, textHash, now }) {
      const number = Number(phone);
      await trx('known_chats')
        .insert({ instance_id: instanceId, phone: number, bulk_at: now })
        .onConflict(['instance_id', 'phone'])
        .merge({ bulk_at: now });
      const written = { campaign_id: campaignNumber(campaignId), sent_at: now };
      await trx('bulk_texts')
        .insert({ account_id: accountId, phone: number, text_hash: textHash, ...written })
        .onConflict(['account_id', 'phone', 'text_hash'])
        .merge(written);
    },

    async unwrites(trx, { accountId, phone, textHash }) {
      await trx('bulk_texts')
        .where({ account_id: accountId, phone: Number(phone), text_hash: textHash })
        .delete();
    },

    async heard(trx, instanceId, phones, now) {
      if (phones.length === 0) return;
      await trx('known_chats')
        .insert(phones.map((phone) => ({ instance_id: instanceId, phone: Number(phone), heard_at: now })))
        .onConflict(['instance_id', 'phone'])
        .merge({ heard_at: now });
    },

    async wroteInBulk(connection, instanceId, phone) {
      const row = (await connection('known_chats')
        .where({ instance_id: instanceId, phone: Number(phone) })
        .first('bulk_at')) as { bulk_at: number | null } | undefined;
      return (row?.bulk_at ?? null) !== null;
    },

    async checked(trx, phone, onWhatsApp, now) {
      await trx('number_checks')
        .insert({ phone: Number(phone), on_whatsapp: onWhatsApp, checked_at: now })
        .onConflict('phone')
        .merge();
    },

    async prune({ checkedAt, sentAt, day }) {
      await knex('number_checks').where('checked_at', '<', checkedAt).delete();
      await knex('bulk_texts').where('sent_at', '<', sentAt).delete();
      await knex('number_days').where('day', '<', day).delete();
    },
  };
}

const unknownNumber: NumberPacing = {
  pacing: {},
  nextSendAt: 0,
  sendsUntilBreak: null,
  lastMessageId: null,
  pairedAt: null,
  restrictedUntil: null,
};

interface PacingRow {
  pacing: string | null;
  next_send_at: number;
  sends_until_break: number | null;
  last_message_id: string | null;
  paired_at: number | null;
  restricted_until: number | null;
}

const columnOf = {
  nextSendAt: 'next_send_at',
  sendsUntilBreak: 'sends_until_break',
  lastMessageId: 'last_message_id',
  pairedAt: 'paired_at',
  restrictedUntil: 'restricted_until',
} as const satisfies Record<Exclude<keyof NumberPacing, 'pacing'>, keyof PacingRow>;

function toColumns(patch: Partial<NumberPacing>): Record<string, unknown> {
  const columns: Record<string, unknown> = patch.pacing ? { pacing: JSON.stringify(patch.pacing) } : {};
  for (const [key, column] of Object.entries(columnOf)) {
    const value = patch[key as keyof typeof columnOf];
    if (value !== undefined) columns[column] = value;
  }
  return columns;
}

function fromRow(row: PacingRow): NumberPacing {
  return {
    pacing: row.pacing ? (JSON.parse(row.pacing) as Partial<Pacing>) : {},
    nextSendAt: row.next_send_at,
    sendsUntilBreak: row.sends_until_break,
    lastMessageId: row.last_message_id,
    pairedAt: row.paired_at,
    restrictedUntil: row.restricted_until,
  };
}
