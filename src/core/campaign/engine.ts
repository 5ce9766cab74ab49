import type { Logger } from 'pino';
import { defaultQuietHours } from '../../model/campaign.ts';
import type { ContentInput, OutgoingContent } from '../../model/content.ts';
import type { Clock } from '../../model/time.ts';
import { createCampaignLaneStore } from '../../store/campaign-lanes.ts';
import { createCampaignStore } from '../../store/campaigns.ts';
import type { Database } from '../../store/database.ts';
import type { InstanceStore } from '../../store/instances.ts';
import type { MessageStore } from '../../store/messages.ts';
import { createNumberStore } from '../../store/numbers.ts';
import { createOptOutStore } from '../../store/opt-outs.ts';
import { createRecipientStore } from '../../store/recipients.ts';
import type { WhatsAppClient } from '../../whatsapp/client.ts';
import type { Announcer } from '../announcer.ts';
import { createAudit } from '../audit.ts';
import { type Campaigns, createCampaigns } from '../campaigns.ts';
import type { Idempotency } from '../idempotency.ts';
import { createExclusive } from '../exclusive.ts';
import { createOptOuts, type OptOuts } from '../opt-outs.ts';
import type { Outbox } from '../outbox.ts';
import type { WithdrawalJournal } from '../withdrawal-journal.ts';
import { type Claims, createClaims } from './claim.ts';
import { createDispatcher, type Dispatcher } from './dispatcher.ts';
import { createForecasts } from './forecasts.ts';
import { type CampaignLifecycle, createCampaignLifecycle } from './lifecycle.ts';
import { createCampaignChecks } from './input.ts';
import { createCampaignMaking } from './making.ts';
import { createLoader } from './loader.ts';
import { createNumberClock } from './number-clock.ts';
import { createOpenings } from './openings.ts';
import { createResults, type Results } from './results.ts';
import { createRetries } from './retries.ts';
import { createTexts } from './texts.ts';
import { createTransitions } from './transitions.ts';

/** Everything about campaigns: what callers use, and what the gateway drives. */
export interface CampaignEngine {
  campaigns: Campaigns;
  optOuts: OptOuts;
  lifecycle: CampaignLifecycle;
  dispatcher: Dispatcher;
  claims: Claims;
  results: Results;
}

interface CampaignEngineDeps {
  database: Database;
  messages: MessageStore;
  instances: InstanceStore;
  announcer: Announcer;
  /** Asked when needed, since the outbox is made after what follows it. */
  outbox: () => Pick<Outbox, 'admit' | 'added' | 'released' | 'flush'>;
  idempotency: Pick<Idempotency, 'answered' | 'record' | 'forget'>;
  journal: WithdrawalJournal;
  prepareContent(accountId: string, input: ContentInput): Promise<OutgoingContent>;
  touchMedia(mediaId: string, now: number): Promise<void>;
  /** Returns the client of a ready instance; throws otherwise. */
  client(instanceId: string): WhatsAppClient;
  /** Says whether the instance's page can send content of this type. Default: always. */
  canSend?(instanceId: string, type: OutgoingContent['type']): boolean;
  /** Says whether it is known what people wrote while the instance was away: some may have opted out. Default: always. */
  hasHeard?(instanceId: string): boolean;
  defaultCountry: string | null;
  retentionDays: number;
  clock: Clock;
  random: () => number;
  newId: () => string;
  log: Logger;
}

/** Returns the engine of campaigns. */
export function createCampaignEngine(deps: CampaignEngineDeps): CampaignEngine {
  const { database, clock } = deps;
  const campaigns = createCampaignStore(database);
  const laneStore = createCampaignLaneStore(database);
  const recipients = createRecipientStore(database);
  const numbers = createNumberStore(database);
  const optOutStore = createOptOutStore(database);
  const exclusive = createExclusive();
  const numberClock = createNumberClock();
  const outbox: Pick<Outbox, 'admit' | 'added' | 'released' | 'flush'> = {
    admit: (instanceId) => deps.outbox().admit(instanceId),
    added: (rows) => deps.outbox().added(rows),
    released: (instanceId) => deps.outbox().released(instanceId),
    flush: () => deps.outbox().flush(),
  };
  const parts = { ...deps, campaigns, laneStore, recipients, numbers, exclusive, numberClock, outbox, now: clock.now };

  const transitions = createTransitions({ ...parts, store: campaigns });
  const claims = createClaims({ ...parts, texts: createTexts() });
  const loader = createLoader({ ...parts, optOuts: optOutStore });
  const dispatcher = createDispatcher({
    canSend: () => true,
    hasHeard: () => true,
    ...parts,
    claims,
    transitions,
    openings: createOpenings(),
    isMaking: loader.isMaking,
  });
  const retries = createRetries({ ...parts, transitions });
  const results = createResults({ ...parts, transitions });
  const checks = createCampaignChecks({ ...parts, quietHours: defaultQuietHours });

  return {
    dispatcher,
    claims,
    results,
    lifecycle: createCampaignLifecycle({
      ...parts,
      transitions,
      dispatcher,
      results,
      loader,
      retries,
    }),
    optOuts: createOptOuts({
      ...parts,
      store: optOutStore,
    }),
    campaigns: createCampaigns({
      ...parts,
      store: campaigns,
      checks,
      making: createCampaignMaking({ ...parts, store: campaigns, checks, loader, transitions, dispatcher }),
      retries,
      transitions,
      dispatcher,
      audit: createAudit(deps),
      forecasts: createForecasts(parts),
      sweep: async (id) => {
        await Promise.race([retries.sweep(id), clock.sleep(2e3)]);
      },
    }),
  };
}
