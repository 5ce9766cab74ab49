import type { Jid } from '../model/jid.ts';
import type { Connection, Database } from './database.ts';

/** Which phone stands behind a LID, as far as WhatsApp has ever told. */
export interface LidStore {
  /** Returns lid → phone digits for those that are known. */
  phones(lids: Jid[]): Promise<Map<Jid, string>>;
  /** Returns the LIDs that a phone is known by. */
  ofPhone(phone: string): Promise<Jid[]>;
  remember(trx: Connection, pairs: { lid: Jid; phone: string }[], now: number): Promise<void>;
}

/** A phone has one at a time. */
const mostLids = 10;

/** Returns the lids table. */
export function createLidStore({ knex }: Database): LidStore {
  return {
    async phones(lids) {
      if (lids.length === 0) return new Map();
      const rows = (await knex('lids').whereIn('lid', lids).select('lid', 'phone')) as { lid: Jid; phone: string }[];
      return new Map(rows.map((row) => [row.lid, row.phone]));
    },

    async ofPhone(phone) {
      const rows = (await knex('lids').where({ phone }).limit(mostLids).select('lid')) as { lid: Jid }[];
      return rows.map((row) => row.lid);
    },

    async remember(trx, pairs, now) {
      if (pairs.length === 0) return;
      await trx('lids')
        .insert(pairs.map((pair) => ({ ...pair, seen_at: now })))
        .onConflict('lid')
        .merge();
    },
  };
}
