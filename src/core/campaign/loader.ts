import type { Knex } from 'knex';
import type { Logger } from 'pino';
import type { Campaign, RecipientSource } from '../../model/campaign.ts';
import { GatewayError, reasonOf, toGatewayError, undecidedOn } from '../../model/errors.ts';
import type { Clock } from '../../model/time.ts';
import type { CampaignLane, CampaignLaneStore } from '../../store/campaign-lanes.ts';
import type { CampaignStore } from '../../store/campaigns.ts';
import type { Database } from '../../store/database.ts';
import type { OptOutStore } from '../../store/opt-outs.ts';
import type { NewRecipient, RecipientStore } from '../../store/recipients.ts';
import type { Exclusive } from '../exclusive.ts';
import type { Idempotency, RecordedAnswer } from '../idempotency.ts';
import { outlastOutage } from '../outage.ts';
import type { WithdrawalJournal, WithdrawnCampaign } from '../withdrawal-journal.ts';
import { createCalendar } from './calendar.ts';
import type { Intake, NormalRecipient } from './recipients.ts';

/** What came of loading recipients. */
export interface Loaded {
  given: number;
  queued: number;
  optedOut: number;
  duplicates: number;
}

/** Writes recipients of any number: all of them, or none. */
export interface Loader {
  /**
   * Writes the recipients behind the published ones, then publishes them in one transaction with what `publish` does there.
   * On any error nothing is left of them. @throws GatewayError invalid_input (also by the intake), outcome_unknown, or what `publish` throws
   */
  load(input: {
    campaign: Campaign;
    source: RecipientSource;
    intake: Intake;
    /** The campaign was made for this call: on an error it goes too. */
    isNew: boolean;
    publish(trx: Knex.Transaction, loaded: Loaded): Promise<void>;
    /** Returns the answer to an Idempotency-Key that `publish` may have written for a new campaign. */
    recorded?(): RecordedAnswer | null;
  }): Promise<Loaded>;
  /** True while a new campaign is being made, or undone: nothing of it may be sent. */
  isMaking(campaignId: string): boolean;
  /** Resolves when a new campaign is made. @throws GatewayError unavailable when it is being undone */
  made(campaignId: string): Promise<void>;
  /** Removes what a gateway that ended was loading, or had refused. */
  recover(): Promise<void>;
  /** Removes a campaign with all its rows, in small transactions. */
  remove(campaignId: string): Promise<void>;
}

interface LoaderDeps {
  database: Database;
  campaigns: CampaignStore;
  laneStore: CampaignLaneStore;
  recipients: RecipientStore;
  optOuts: OptOutStore;
  idempotency: Pick<Idempotency, 'forget'>;
  journal: WithdrawalJournal;
  exclusive: Exclusive;
  now: () => number;
  clock: Pick<Clock, 'sleep'>;
  log: Logger;
}

/** Rows in one statement, and statements in one transaction: others wait for one transaction at most. */
const chunkRows = { sqlite: 1_000, mysql: 500 };
const chunksPerTransaction = 4;
const removeRows = 5_000;

/** Returns the loader of recipients. */
export function createLoader(deps: LoaderDeps): Loader {
  const { database, campaigns, laneStore, recipients, optOuts, journal, exclusive } = deps;
  /** Campaigns that still hold rows of a call that was refused. */
  const leftovers = new Set<string>();
  /** New campaigns that are being loaded or undone: the database may have them before their loader knows. */
  const making = new Set<string>();

  /** Puts recipients into the lanes of their zones, from the lanes' ends on. */
  function createStaging(campaign: Campaign, published: CampaignLane[]) {
    const lanes = new Map(published.map((lane) => [lane.zone, { ...lane }]));

    function laneOf(zone: string): CampaignLane {
      let lane = lanes.get(zone);
      if (!lane) {
        const { window, quietHours } = campaign;
        if (!createCalendar({ window, quietHours, zone }).next(deps.now()))
          throw new GatewayError('invalid_input', `The window never opens outside of the quiet hours of ${zone}`, {
            details: { window: `never opens outside of the quiet hours of ${zone}` },
          });
        lane = { lane: lanes.size, zone, head: 0, tail: 0 };
        lanes.set(zone, lane);
      }
      return lane;
    }

    return {
      lanes,
      place({ phone, zone, variables }: NormalRecipient): NewRecipient {
        const lane = laneOf(zone);
        lane.tail += 1;
        return { lane: lane.lane, seq: lane.tail - 1, phone, state: 'queued', variables };
      },
    };
  }

  async function stage(
    campaign: Campaign,
    source: RecipientSource,
    intake: Intake,
  ): Promise<{ loaded: Loaded; lanes: CampaignLane[] }> {
    const staging = createStaging(campaign, await laneStore.of(campaign.id));
    const hasOptOuts = await optOuts.any(campaign.accountId);
    const loaded: Loaded = { given: 0, queued: 0, optedOut: 0, duplicates: 0 };
    const chunk = chunkRows[database.engine];
    let pending: NewRecipient[] = [];

    async function write(rows: NewRecipient[]): Promise<void> {
      const counts = await database.transaction(async (trx) => {
        let queued = 0;
        let optedOut = 0;
        for (let at = 0; at < rows.length; at += chunk) {
          const some = rows.slice(at, at + chunk);
          const out = hasOptOuts
            ? await optOuts.among(
                trx,
                campaign.accountId,
                some.map((row) => row.phone),
              )
            : new Set<string>();
          queued += await recipients.insert(
            trx,
            campaign.id,
            out.size > 0 ? some.filter((row) => !out.has(row.phone)) : some,
          );
          if (out.size > 0)
            optedOut += await recipients.insert(
              trx,
              campaign.id,
              some.filter((row) => out.has(row.phone)).map((row) => ({ ...row, state: 'opted_out' })),
            );
        }
        return { queued, optedOut };
      });
      loaded.queued += counts.queued;
      loaded.optedOut += counts.optedOut;
      loaded.duplicates += rows.length - counts.queued - counts.optedOut;
    }

    const most = chunk * chunksPerTransaction;
    for await (const batch of source) {
      loaded.given += batch.length;
      for (const recipient of intake.take(batch)) pending.push(staging.place(recipient));
      while (pending.length >= most) {
        await write(pending.slice(0, most));
        pending = pending.slice(most);
      }
    }
    if (pending.length > 0) await write(pending);
    return { loaded, lanes: [...staging.lanes.values()] };
  }

  /** Removes rows that were not published. */
  async function discard(campaignId: string): Promise<void> {
    const published = new Map((await laneStore.of(campaignId)).map(({ lane, tail }) => [lane, tail]));
    for (const { lane, last } of await recipients.extents(campaignId))
      await removeRange(campaignId, lane, published.get(lane) ?? 0, last + 1);
    await campaigns.setLoading(campaignId, 0);
  }

  async function removeRange(campaignId: string, lane: number, from: number, before: number): Promise<void> {
    for (let at = from; at < before; at += removeRows)
      await recipients.remove(database.knex, { campaignId, lane, from: at, before: Math.min(at + removeRows, before) });
  }

  async function removeRecipients(campaignId: string): Promise<void> {
    for (const { lane, last } of await recipients.extents(campaignId)) await removeRange(campaignId, lane, 0, last + 1);
  }

  /** Hides a campaign that may have been published; from then on the next start removes it by itself. */
  async function hide(campaign: WithdrawnCampaign): Promise<void> {
    await database.transaction(async (trx) => {
      await campaigns.hide(trx, campaign);
      if (campaign.recorded) await deps.idempotency.forget(trx, campaign.recorded);
    });
    journal.settle([campaign]);
  }

  /** Removes a campaign that nobody has seen yet. */
  async function withdraw(campaignId: string): Promise<void> {
    await removeRecipients(campaignId);
    await campaigns.withdraw(campaignId);
  }

  /** Removes what is not published; until it is gone, nothing else is loaded into the campaign. */
  async function undo(campaignId: string, work: () => Promise<void>): Promise<void> {
    leftovers.add(campaignId);
    try {
      await outlastOutage(deps.clock, work);
      leftovers.delete(campaignId);
      making.delete(campaignId);
    } catch (error) {
      deps.log.error(
        { campaign: campaignId, error: reasonOf(error) },
        'recipients of a refused call could not be removed: the next start does it',
      );
    }
  }

  return {
    async remove(campaignId) {
      await removeRecipients(campaignId);
      await campaigns.remove(campaignId);
    },

    load: ({ campaign, source, intake, isNew, publish, recorded }) =>
      exclusive(campaign.id, async () => {
        if (leftovers.has(campaign.id)) throw beingUndone('The last list of recipients');
        if (isNew) making.add(campaign.id);
        else await campaigns.setLoading(campaign.id, 1);
        try {
          const { loaded, lanes } = await stage(campaign, source, intake);
          await database.transaction(async (trx) => {
            await laneStore.setTails(trx, campaign.id, lanes);
            await campaigns.count(trx, campaign.id, {
              queued: loaded.queued,
              opted_out: loaded.optedOut,
              duplicates: loaded.duplicates,
              invalid: intake.invalidCount,
            });
            await campaigns.setLoading(campaign.id, 0, trx);
            await publish(trx, loaded);
          });
          making.delete(campaign.id);
          return loaded;
        } catch (error) {
          const published = isNew ? mayBePublished(campaign, error, recorded) : null;
          const undone = undo(campaign.id, async () => {
            if (published) await hide(published);
            await (isNew ? withdraw(campaign.id) : discard(campaign.id));
          });
          if (published) await journal.note(published);
          // While the database is away nobody is kept waiting for that.
          if (toGatewayError(error).code !== 'unavailable') await undone;
          throw error;
        }
      }),

    isMaking: (campaignId) => making.has(campaignId),

    async made(campaignId) {
      if (making.has(campaignId)) await exclusive(campaignId, () => Promise.resolve());
      if (making.has(campaignId)) throw beingUndone('The first call with this Idempotency-Key');
    },

    async recover() {
      for (const one of journal.left) if (one.kind === 'campaign') await hide(one);
      for (const { id, loading } of await campaigns.loading()) await (loading === 2 ? withdraw(id) : discard(id));
    },
  };
}

/** Only a commit without an answer may have published a new campaign: returns what to take back then, else null. */
function mayBePublished(
  { id, createdAt }: Campaign,
  error: unknown,
  recorded: () => RecordedAnswer | null = () => null,
): WithdrawnCampaign | null {
  const connection = undecidedOn(error);
  return connection && { kind: 'campaign', id, createdAt, recorded: recorded(), connection };
}

function beingUndone(what: string): GatewayError {
  return new GatewayError('unavailable', `${what} is still being undone`, { retryAfterSeconds: 5 });
}
