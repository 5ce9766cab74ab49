import type { OptOut, OptOutWords } from '../model/campaign.ts';
import type { Connection, Database } from './database.ts';

/** The table of people who want no bulk messages. */
export interface OptOutStore {
  /** Adds a person; false when they are there already. */
  add(
    connection: Connection,
    input: { accountId: string; phone: string; source: string; now: number },
  ): Promise<boolean>;
  /** Removes a person; false when they are not there. */
  remove(connection: Connection, input: { accountId: string; phone: string }): Promise<boolean>;
  /** Tells whether the account has any. */
  any(accountId: string): Promise<boolean>;
  /** Returns which of these phones are there. */
  among(connection: Connection, accountId: string, phones: readonly string[]): Promise<Set<string>>;
  /** By phone; `after` is the last phone of the page before. */
  list(input: { accountId: string; after: string | null; limit: number }): Promise<OptOut[]>;
  /** The account's own words, null when it has none. */
  words(accountId: string, connection?: Connection): Promise<OptOutWords | null>;
  /** Null goes back to the words of the gateway. */
  setWords(accountId: string, words: OptOutWords | null, connection?: Connection): Promise<void>;
}

/** Returns the tables of opt-outs and of the words they are made by. */
export function createOptOutStore(database: Database): OptOutStore {
  const { knex } = database;
  const table = (connection: Connection = knex) => connection('opt_outs');

  return {
    async add(connection, { accountId, phone, source, now }) {
      const known = (await table(connection)
        .where({ account_id: accountId, phone: Number(phone) })
        .first('phone')) as object | undefined;
      if (known) return false;
      await table(connection)
        .insert({ account_id: accountId, phone: Number(phone), source: source.slice(0, 190), created_at: now })
        .onConflict(['account_id', 'phone'])
        .ignore();
      return true;
    },

    async remove(connection, { accountId, phone }) {
      const removed = await table(connection)
        .where({ account_id: accountId, phone: Number(phone) })
        .delete();
      return removed > 0;
    },

    async any(accountId) {
      return (await table().where({ account_id: accountId }).first('phone')) !== undefined;
    },

    async among(connection, accountId, phones) {
      const rows = (await table(connection)
        .where({ account_id: accountId })
        .whereIn('phone', phones.map(Number))
        .select('phone')) as { phone: number }[];
      return new Set(rows.map((row) => String(row.phone)));
    },

    async list({ accountId, after, limit }) {
      const query = table().where({ account_id: accountId }).orderBy('phone').limit(limit);
      if (after) void query.where('phone', '>', Number(after));
      const rows = (await query) as { phone: number; source: string; created_at: number }[];
      return rows.map((row) => ({ phone: String(row.phone), source: row.source, createdAt: row.created_at }));
    },

    async words(accountId, connection = knex) {
      const row = (await connection('opt_out_words').where({ account_id: accountId }).first('words')) as
        | { words: string }
        | undefined;
      return row ? (JSON.parse(row.words) as OptOutWords) : null;
    },

    async setWords(accountId, words, connection = knex) {
      if (!words) await connection('opt_out_words').where({ account_id: accountId }).delete();
      else
        await connection('opt_out_words')
          .insert({ account_id: accountId, words: JSON.stringify(words) })
          .onConflict('account_id')
          .merge();
    },
  };
}
