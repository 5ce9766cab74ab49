import { createIntake } from '../../src/core/campaign/recipients.ts';
import { parseTemplate, variableKey } from '../../src/core/campaign/template.ts';
import { defaultOptOutWords } from '../../src/core/campaign/optout.ts';
import type { CampaignInput } from '../../src/core/campaign/input.ts';
import type { Core } from '../../src/dialects/core.ts';
import {
  type Campaign,
  type CampaignReceipt,
  type CampaignView,
  type OptOut,
  type OptOutWords,
  type Pacing,
  type RecipientSource,
  campaignId,
  countersOf,
  defaultPacing,
  recipientStates,
} from '../../src/model/campaign.ts';
import { GatewayError } from '../../src/model/errors.ts';
import { parsePhone } from '../../src/model/phone.ts';
import type { Caller } from '../../src/model/token.ts';

/** Campaigns in memory that send nothing: what the dialects ask of the core. */
export interface FakeCampaigns extends Pick<Core, 'campaigns' | 'optOuts'> {
  /** What `create` was asked for, without the recipients. */
  created: Omit<CampaignInput, 'recipients' | 'instance'>[];
  campaignRows: Campaign[];
  /** The phones of each campaign. */
  phones: Map<string, string[]>;
}

/** Returns campaigns with the core's rules for lists, templates and states. */
export function createFakeCampaigns(): FakeCampaigns {
  const optOuts = new Map<string, OptOut>();
  let words: OptOutWords = defaultOptOutWords;
  let pacing: Pacing = defaultPacing;
  const fake: FakeCampaigns = {
    created: [],
    campaignRows: [],
    phones: new Map(),

    campaigns: {
      async create(caller, { recipients, instance, ...rest }) {
        const campaign = buildCampaign({
          id: campaignId(fake.campaignRows.length + 1),
          accountId: caller.accountId,
          instanceId: instance.id,
          name: rest.name ?? '',
          template: rest.message,
          variables: Object.fromEntries(
            Object.entries(rest.variables ?? {}).map(([name, value]) => [variableKey(name), String(value)]),
          ),
          state: rest.start ? 'running' : 'draft',
        });
        fake.created.push(rest);
        const receipt = await load(campaign, recipients);
        if (receipt.total === 0)
          throw new GatewayError('invalid_input', 'The list of recipients holds no number that can be written to', {
            details: { recipients: 'holds no number', invalid: receipt.invalid },
          });
        fake.campaignRows.push(campaign);
        return receipt;
      },
      async add(caller, id, { recipients }) {
        const campaign = find(caller, id);
        if (campaign.state === 'cancelled') throw new GatewayError('conflict', `Campaign ${id} is cancelled`);
        if (campaign.state === 'completed') campaign.state = 'running';
        return load(campaign, recipients);
      },
      status: async (caller, id) => view(find(caller, id)),
      pause: async (caller, id) => move(find(caller, id), 'paused'),
      resume: async (caller, id) => move(find(caller, id), 'running'),
      cancel: async (caller, id) => move(find(caller, id), 'cancelled'),
      list: async (caller, { state, before, limit }) =>
        fake.campaignRows
          .filter((campaign) => campaign.accountId === caller.accountId && (!state || campaign.state === state))
          .filter((campaign) => !before || campaign.id < before)
          .toReversed()
          .slice(0, limit)
          .map(view),
      async recipients(caller, id, { after, limit }) {
        const phones = fake.phones.get(find(caller, id).id) ?? [];
        const start = after ? after.seq + 1 : 0;
        const page = phones.slice(start, start + limit);
        return {
          recipients: page.map((phone) => ({ phone, state: 'queued', reason: null, messageId: null, changedAt: null })),
          next: start + limit < phones.length ? { lane: 0, seq: start + limit - 1 } : null,
        };
      },
      retryFailed: async (caller, id) => ({ retried: 3, campaign: view(find(caller, id)) }),
      async simulate(_caller, input) {
        const intake = intakeOf(input.message, {});
        let total = 0;
        for await (const batch of input.recipients) total += intake.take(batch).length;
        const { invalid, invalidCount } = intake;
        return {
          total,
          duplicates: 0,
          invalid,
          invalidCount,
          warnings: [],
          finishesAt: 1_767_791_640_000,
          days: [{ date: '2026-01-07', count: total }],
        };
      },
      pacing: async () => pacing,
      setPacing: async (_caller, _instance, patch) => ({
        pacing: (pacing = { ...defaultPacing, ...patch }),
        warnings: [],
      }),
    },

    optOuts: {
      list: async (_caller, { after, limit }) =>
        [...optOuts.values()].filter(({ phone }) => !after || phone > after).slice(0, limit),
      async add(_caller, { numbers, country }) {
        const phones = numbers.map((number) => phoneOf(number, country));
        for (const phone of phones) optOuts.set(phone, { phone, source: 'api', createdAt: 1_767_791_640_000 });
        return phones;
      },
      async remove(_caller, { numbers, country }) {
        const phones = numbers.map((number) => phoneOf(number, country));
        for (const phone of phones) optOuts.delete(phone);
        return phones;
      },
      words: async () => words,
      setWords: async (_caller, set) => (words = set ?? defaultOptOutWords),
    },
  };

  async function load(campaign: Campaign, source: RecipientSource): Promise<CampaignReceipt> {
    const intake = intakeOf(campaign.template, campaign.variables);
    const known = new Set(fake.phones.get(campaign.id) ?? []);
    const before = known.size;
    let taken = 0;
    for await (const batch of source)
      for (const { phone } of intake.take(batch)) {
        known.add(phone);
        taken += 1;
      }
    fake.phones.set(campaign.id, [...known]);
    const queued = known.size - before;
    campaign.counts.queued += queued;
    const { invalid, invalidCount } = intake;
    return {
      campaign,
      total: known.size,
      queued,
      duplicates: taken - queued,
      invalid,
      invalidCount,
      optedOut: 0,
      warnings: [],
    };
  }

  function find(caller: Caller, id: string): Campaign {
    const found = fake.campaignRows.find((campaign) => campaign.id === id && campaign.accountId === caller.accountId);
    if (!found) throw new GatewayError('not_found', `There is no campaign ${id}`);
    return found;
  }

  function move(campaign: Campaign, state: 'paused' | 'running' | 'cancelled'): CampaignView {
    if (campaign.state === 'completed')
      throw new GatewayError('conflict', `Campaign ${campaign.id} is completed: it cannot be ${state}`);
    campaign.state = state;
    campaign.pauseReason = state === 'running' ? null : 'user';
    return view(campaign);
  }

  return fake;
}

/** Returns a campaign with only the fields that matter given. */
function buildCampaign(fields: Partial<Campaign> = {}): Campaign {
  const none = Object.fromEntries(Object.keys(recipientStates).map((state) => [state, 0])) as Campaign['counts'];
  return {
    id: 'WAP-CAM-0001',
    accountId: 'CUST-0143',
    instanceId: 'INST-01-0000142',
    name: '',
    template: 'Hello',
    media: null,
    variables: {},
    pacing: {},
    window: null,
    quietHours: null,
    recipientEvents: false,
    state: 'running',
    pauseReason: null,
    hold: null,
    holdUntil: null,
    duplicates: 0,
    invalid: 0,
    scheduleAt: null,
    endAt: null,
    createdAt: 1_767_791_640_000,
    startedAt: null,
    finishedAt: null,
    counts: none,
    ...fields,
  };
}

function view(campaign: Campaign): CampaignView {
  return { ...campaign, counters: countersOf(campaign.counts), ratePerMinute: 1.5, nextSendAt: null, etaAt: null };
}

function intakeOf(message: string, defaults: Record<string, string>) {
  return createIntake({ country: 'TZ', zone: 'UTC', template: parseTemplate(message), defaults });
}

function phoneOf(number: string, country: string | null | undefined): string {
  const phone = parsePhone(number, country ?? 'TZ');
  if (phone === null) throw new GatewayError('invalid_number', `${number} is not a valid phone number`);
  return phone;
}
