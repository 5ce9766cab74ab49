import type { Database } from './database.ts';

/** Who holds the database. */
export interface HeldClaim {
  /** ULID of one run of a gateway. */
  holder: string;
  /** What it says of itself, JSON. */
  owner: string;
  /** When it was last touched, Unix ms by the clock of the database. */
  beatAt: number;
  /** How long ago that was, by the same clock. */
  ageMs: number;
}

/** The one row that says which gateway works on this database. */
export interface GatewayClaimStore {
  /** Null when nobody does, or the schema is older than this row. */
  read(): Promise<HeldClaim | null>;
  /** Takes it from whom it was seen with, who must not have touched it since; false when it has changed. */
  take(claim: Pick<HeldClaim, 'holder' | 'owner'>, from: HeldClaim | null): Promise<boolean>;
  /** Touches it; false when it is another's. */
  beat(holder: string): Promise<boolean>;
  release(holder: string): Promise<void>;
}

/** The clocks of two gateways may differ: that of the database is the same for both. Unix ms. */
const nowOf = {
  mysql: 'cast(unix_timestamp(now(3)) * 1000 as unsigned)',
  sqlite: "cast((julianday('now') - 2440587.5) * 86400000 as integer)",
};

/** Returns the gateway_claim table. */
export function createGatewayClaimStore({ knex, engine, statement }: Database): GatewayClaimStore {
  const now = knex.raw(nowOf[engine]);
  const row = () => knex('gateway_claim').where('id', 1);
  const isDone = async (work: () => PromiseLike<number>) => (await statement(work)) === 1;

  return {
    async read() {
      if (!(await knex.schema.hasTable('gateway_claim'))) return null;
      const { holder, owner, beat_at, now_at } = (await row().first('*', knex.raw(`${nowOf[engine]} as now_at`))) as {
        holder: string | null;
        owner: string;
        beat_at: number;
        now_at: number;
      };
      return holder === null ? null : { holder, owner, beatAt: beat_at, ageMs: now_at - beat_at };
    },

    take: ({ holder, owner }, from) =>
      isDone(() =>
        row()
          .where(from ? { holder: from.holder, beat_at: from.beatAt } : { holder: null })
          .update({ holder, owner, beat_at: now }),
      ),

    beat: (holder) => isDone(() => row().where({ holder }).update({ beat_at: now })),

    async release(holder) {
      await statement(() => row().where({ holder }).update({ holder: null, owner: null }));
    },
  };
}
