import type { Knex } from 'knex';
import { type Campaign, type CampaignReceipt, countersOf, type RecipientSource } from '../../model/campaign.ts';
import type { ContentInput, OutgoingContent } from '../../model/content.ts';
import { GatewayError, toGatewayError } from '../../model/errors.ts';
import type { Clock } from '../../model/time.ts';
import type { CampaignStore } from '../../store/campaigns.ts';
import type { InstanceStore } from '../../store/instances.ts';
import type { Idempotency, IdempotencyKey, RecordedAnswer } from '../idempotency.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type CampaignChecks, type CampaignInput, nobody } from './input.ts';
import type { Loaded, Loader } from './loader.ts';
import type { Intake } from './recipients.ts';
import { beginning, refuseEnded, type Transitions } from './transitions.ts';

/** Recipients for a campaign that is there. */
export interface AddInput {
  recipients: RecipientSource;
  country?: string | null;
  idempotency?: IdempotencyKey;
}

/** How work with an Idempotency-Key writes its answer down. */
interface Answering {
  /** Called in the transaction that publishes the recipients. */
  answer(trx: Knex.Transaction, given: CampaignReceipt): Promise<void>;
  /** Returns what `answer` may have written down, null without a key. */
  recorded(): RecordedAnswer | null;
}

/** Makes campaigns and adds to them, all of a call's recipients or none. */
export interface CampaignMaking {
  create(input: CampaignInput): Promise<CampaignReceipt>;
  add(campaign: Campaign, input: AddInput): Promise<CampaignReceipt>;
}

interface CampaignMakingDeps {
  store: CampaignStore;
  instances: InstanceStore;
  checks: CampaignChecks;
  loader: Loader;
  transitions: Transitions;
  dispatcher: Pick<Dispatcher, 'nudge'>;
  idempotency: Pick<Idempotency, 'answered' | 'record'>;
  prepareContent(accountId: string, input: ContentInput): Promise<OutgoingContent>;
  clock: Clock;
}

/** Returns what makes campaigns. */
export function createCampaignMaking(deps: CampaignMakingDeps): CampaignMaking {
  const { store, instances, checks, loader, transitions, dispatcher, idempotency, clock } = deps;

  const create = (input: CampaignInput): Promise<CampaignReceipt> =>
    once(input.instance.accountId, input.idempotency, async ({ answer, recorded }) => {
      const { instance } = input;
      const checked = checks.check(input);
      const media = input.media ? await storeMedia(instance.accountId, input.media) : null;
      const campaign = await store.create({ ...checked.campaign, media, createdAt: clock.now() });
      const warnings = [...checked.warnings];
      if (input.start && instance.state !== 'ready')
        warnings.push(`Instance ${instance.id} is not connected (it is ${instance.state}): the campaign waits for it`);
      await loader.load({
        campaign,
        source: input.recipients,
        intake: checked.intake,
        isNew: true,
        recorded,
        publish: async (trx, loaded) => {
          if (loaded.queued + loaded.optedOut === 0) throw nobody(loaded.given, checked.intake);
          if (input.start) await transitions.make(trx, beginning(campaign, clock.now()), campaign.id);
          await answer(trx, await receipt(trx, campaign.id, loaded, checked.intake, warnings));
        },
      });
      dispatcher.nudge(instance.id);
    });

  async function storeMedia(
    accountId: string,
    media: NonNullable<CampaignInput['media']>,
  ): Promise<NonNullable<Campaign['media']>> {
    const content = await deps.prepareContent(accountId, { ...media, type: 'media' });
    return content as NonNullable<Campaign['media']>;
  }

  const add = (campaign: Campaign, { recipients, country, idempotency: request }: AddInput): Promise<CampaignReceipt> =>
    once(campaign.accountId, request, async ({ answer }) => {
      const { id } = campaign;
      const instance = await instances.byId(campaign.instanceId);
      refuseEnded(campaign, 'recipients cannot be added');
      if (!instance) throw new GatewayError('instance_not_found', `There is no instance ${campaign.instanceId}`);
      const intake = checks.intakeOf(campaign, instance, country);
      await loader.load({
        campaign,
        source: recipients,
        intake,
        isNew: false,
        publish: async (trx, loaded) => {
          if (loaded.given === 0) throw nobody(loaded.given, intake);
          const now = await store.byId(id, trx);
          if (!now) throw new GatewayError('not_found', `There is no campaign ${id}`);
          refuseEnded(now, 'recipients cannot be added');
          if (loaded.queued > 0) await transitions.make(trx, 'reopen', id);
          await answer(trx, await receipt(trx, id, loaded, intake, []));
        },
      });
      dispatcher.nudge(campaign.instanceId);
    });

  /**
   * Does the work, or, when the same request was answered before, returns that answer with the campaign as it is now. Of two requests
   * at the same time one leaves nothing behind.
   */
  async function once(
    accountId: string,
    request: IdempotencyKey | undefined,
    work: (answering: Answering) => Promise<void>,
  ): Promise<CampaignReceipt> {
    const first = await repeated(accountId, request);
    if (first) return first;
    let result: CampaignReceipt | undefined;
    const written = () => JSON.stringify({ ...result, campaign: result?.campaign.id });
    try {
      await work({
        async answer(trx, given) {
          result = given;
          if (request) await idempotency.record(trx, accountId, request, written());
        },
        recorded: () => (request ? { accountId, key: request.key, answer: written() } : null),
      });
    } catch (error) {
      // What a database that was lost has of it is undone: that is no answer.
      if (toGatewayError(error).code === 'unavailable') throw error;
      const other = await repeated(accountId, request);
      if (other) return other;
      throw error;
    }
    return result!;
  }

  async function repeated(accountId: string, request: IdempotencyKey | undefined): Promise<CampaignReceipt | null> {
    const answer = request ? await idempotency.answered(accountId, request) : null;
    if (answer === null) return null;
    const given = JSON.parse(answer) as Omit<CampaignReceipt, 'campaign'> & { campaign: string };
    await loader.made(given.campaign);
    const campaign = await store.byId(given.campaign);
    if (!campaign) throw new GatewayError('not_found', 'The campaign of this Idempotency-Key is gone');
    return { ...given, campaign };
  }

  async function receipt(
    trx: Knex.Transaction,
    id: string,
    { queued, duplicates, optedOut }: Loaded,
    { invalid: listed, invalidCount }: Intake,
    warnings: string[],
  ): Promise<CampaignReceipt> {
    const campaign = (await store.byId(id, trx))!;
    const { total } = countersOf(campaign.counts);
    return { campaign, total, queued, duplicates, optedOut, invalid: listed, invalidCount, warnings };
  }

  return { create, add };
}
