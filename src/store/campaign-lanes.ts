import { campaignNumber } from '../model/campaign.ts';
import type { Connection, Database } from './database.ts';

/** Recipients of one zone, in their order; those from `head` on are still to be served, those from `tail` on are not published. */
export interface CampaignLane {
  lane: number;
  /** An IANA zone, or several joined by `+`. */
  zone: string;
  head: number;
  tail: number;
}

/** The table of lanes: how far each campaign has come in each of its zones. */
export interface CampaignLaneStore {
  /** Returns the lanes of a campaign in their order. */
  of(campaignId: string): Promise<CampaignLane[]>;
  /** Returns a lane that nobody else changes before the transaction ends. */
  lock(trx: Connection, campaignId: string, lane: number): Promise<CampaignLane | null>;
  setHead(trx: Connection, campaignId: string, lane: number, head: number): Promise<void>;
  /** Moves the tails, making lanes that are new. */
  setTails(trx: Connection, campaignId: string, lanes: readonly CampaignLane[]): Promise<void>;
}

const columns = ['lane', 'zone', 'head', 'tail'];

/** Returns the table of lanes. */
export function createCampaignLaneStore({ knex }: Database): CampaignLaneStore {
  const table = (connection: Connection = knex) => connection('campaign_lanes');

  return {
    async of(campaignId) {
      return (await table()
        .where({ campaign_id: campaignNumber(campaignId) })
        .orderBy('lane')
        .select(columns)) as CampaignLane[];
    },

    async lock(trx, campaignId, lane) {
      const row = (await table(trx)
        .where({ campaign_id: campaignNumber(campaignId), lane })
        .forUpdate()
        .first(columns)) as CampaignLane | undefined;
      return row ?? null;
    },

    async setHead(trx, campaignId, lane, head) {
      await table(trx)
        .where({ campaign_id: campaignNumber(campaignId), lane })
        .update({ head });
    },

    async setTails(trx, campaignId, lanes) {
      for (const { lane, zone, head, tail } of lanes)
        await table(trx)
          .insert({ campaign_id: campaignNumber(campaignId), lane, zone, head, tail })
          .onConflict(['campaign_id', 'lane'])
          .merge({ tail });
    },
  };
}
