import { type Route, route } from '../../../http/route.ts';
import { type Rows, rowsOfValue } from '../../../http/rows.ts';
import type { CampaignInput } from '../../../core/campaign/input.ts';
import type { Instance } from '../../../model/instance.ts';
import type { Core } from '../../core.ts';
import {
  campaignAnswer,
  campaignsAnswer,
  receiptAnswer,
  recipientsAnswer,
  retriedAnswer,
  simulationAnswer,
} from '../answers/campaigns.ts';
import {
  type CampaignBody,
  type CreateCampaignInput,
  addRecipientsInput,
  campaignInput,
  createCampaignInput,
  listCampaignsInput,
  listRecipientsInput,
  simulateInput,
} from '../campaign-inputs.ts';
import { planOf } from '../campaign-plan.ts';
import { listRequestHash } from '../hash.ts';
import { mediaOf } from '../media-source.ts';
import { changing, reading } from '../methods.ts';
import { instanceOf, missing } from '../names.ts';
import { presentCampaign, presentReceipt, presentRecipient, presentSimulation } from '../present-campaign.ts';
import { recipientsOf } from '../recipients.ts';

const path = '/api/method/wap_bridge.api.campaigns';

/** The methods under `wap_bridge.api.campaigns`: bulk sending, from its recipients to its results. */
export function campaignRoutes({ campaigns, instances }: Pick<Core, 'campaigns' | 'instances'>): Route[] {
  const steps = [
    {
      name: 'pause_campaign',
      summary: 'Pauses a campaign; a message on its way still goes out',
      call: campaigns.pause,
    },
    { name: 'resume_campaign', summary: 'Goes on with a paused campaign, or starts a draft', call: campaigns.resume },
    { name: 'cancel_campaign', summary: 'Ends a campaign; who is queued gets nothing', call: campaigns.cancel },
  ];

  return [
    route({
      method: changing,
      path: `${path}.create_and_start_campaign`,
      summary: 'Makes a campaign and starts it, now or at schedule_at',
      scope: 'full',
      maxBody: 'media',
      rows: 'recipients',
      body: createCampaignInput,
      answer: receiptAnswer,
      async handle({ input, caller, idempotencyKey }) {
        const instance = await instances.resolve(caller, instanceOf(input));
        const media = mediaOf(input);
        const receipt = await campaigns.create(caller, {
          ...campaignOf(input, instance, media !== null),
          ...(media && { media }),
          ...(input.recipient_events !== undefined && { recipientEvents: input.recipient_events }),
          start: input.start ?? true,
          ...(await idempotencyOf('create_and_start_campaign', input, idempotencyKey)),
        });
        return presentReceipt(receipt);
      },
    }),
    route({
      method: changing,
      path: `${path}.add_campaign_recipients`,
      summary: 'Adds recipients to a campaign; a completed one goes on with them',
      scope: 'full',
      rows: 'recipients',
      body: addRecipientsInput,
      answer: receiptAnswer,
      async handle({ input, caller, idempotencyKey }) {
        const rows = input.recipients ?? rowsOfValue(input.file);
        if (!rows) throw missing('recipients');
        const receipt = await campaigns.add(caller, input.campaign, {
          recipients: recipientsOf(rows),
          ...(input.country !== undefined && { country: input.country }),
          ...(await idempotencyOf('add_campaign_recipients', input, idempotencyKey)),
        });
        return presentReceipt(receipt);
      },
    }),
    route({
      method: reading,
      path: `${path}.campaign_status`,
      summary: 'Shows how far a campaign has come, what holds it, and when it is likely to end',
      scope: 'full',
      safe: true,
      body: campaignInput,
      answer: campaignAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentCampaign(await campaigns.status(caller, input.campaign)),
      }),
    }),
    ...steps.map(({ name, summary, call }) =>
      route({
        method: changing,
        path: `${path}.${name}`,
        summary,
        scope: 'full',
        body: campaignInput,
        answer: campaignAnswer,
        handle: async ({ input, caller }) => ({ ok: true, ...presentCampaign(await call(caller, input.campaign)) }),
      }),
    ),
    route({
      method: reading,
      path: `${path}.list_campaigns`,
      summary: 'Lists campaigns, the newest first',
      scope: 'full',
      safe: true,
      body: listCampaignsInput,
      answer: campaignsAnswer,
      async handle({ input, caller }) {
        const found = await campaigns.list(caller, {
          state: input.status ?? null,
          before: input.before ?? null,
          limit: input.limit,
        });
        const next = found.length < input.limit ? null : (found.at(-1)?.id ?? null);
        return { ok: true, campaigns: found.map(presentCampaign), next };
      },
    }),
    route({
      method: reading,
      path: `${path}.campaign_recipients`,
      summary: 'Lists the recipients of a campaign with what became of each',
      scope: 'full',
      safe: true,
      body: listRecipientsInput,
      answer: recipientsAnswer,
      async handle({ input, caller }) {
        const [lane, seq] = (input.after ?? '').split(':').map(Number);
        const { recipients, next } = await campaigns.recipients(caller, input.campaign, {
          state: input.status ?? null,
          after: lane === undefined || seq === undefined ? null : { lane, seq },
          limit: input.limit,
        });
        return {
          ok: true,
          campaign: input.campaign,
          recipients: recipients.map(presentRecipient),
          next: next && `${next.lane}:${next.seq}`,
        };
      },
    }),
    route({
      method: changing,
      path: `${path}.retry_failed`,
      summary: 'Queues the failed recipients of a campaign again',
      scope: 'full',
      body: campaignInput,
      answer: retriedAnswer,
      async handle({ input, caller }) {
        const { retried, campaign } = await campaigns.retryFailed(caller, input.campaign);
        return { ok: true, retried, ...presentCampaign(campaign) };
      },
    }),
    route({
      method: changing,
      path: `${path}.simulate`,
      summary: 'Tells when a campaign would end and how many messages each day would have; sends nothing',
      scope: 'full',
      safe: true,
      // What a campaign is made with, as it is.
      maxBody: 'media',
      rows: 'recipients',
      body: simulateInput,
      answer: simulationAnswer,
      async handle({ input, caller }) {
        const instance = await instances.resolve(caller, instanceOf(input));
        return presentSimulation(await campaigns.simulate(caller, campaignOf(input, instance, false)));
      },
    }),
  ];
}

async function idempotencyOf(method: string, input: { recipients?: Rows }, key: string | null) {
  return key === null ? {} : { idempotency: { key, requestHash: await listRequestHash(method, input) } };
}

/** What a campaign is made from, without its file. */
function campaignOf(
  input: CampaignBody,
  instance: Instance,
  hasMedia: boolean,
): Omit<CampaignInput, 'media' | 'start'> {
  const message = input.message ?? input.caption;
  if (!hasMedia && (message === undefined || message.trim() === '')) throw missing('message');
  return {
    instance,
    message: message ?? '',
    recipients: recipientsOf(input.recipients),
    ...(input.campaign_name !== undefined && { name: input.campaign_name }),
    ...(input.variables && { variables: known(input.variables) }),
    ...(input.country !== undefined && { country: input.country }),
    ...planOf(input, instance),
  };
}

function known(variables: NonNullable<CreateCampaignInput['variables']>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== null));
}
