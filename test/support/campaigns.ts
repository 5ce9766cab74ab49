import { createIdempotency } from '../../src/core/idempotency.ts';
import { createIdempotencyStore } from '../../src/store/idempotency.ts';
import { pino } from 'pino';
import { type CampaignEngine, createCampaignEngine } from '../../src/core/campaign/engine.ts';
import type { CampaignInput } from '../../src/core/campaign/input.ts';
import { createContentPreparation } from '../../src/core/content.ts';
import { createOutbox, type Outbox } from '../../src/core/outbox.ts';
import type { Campaign, RecipientCounts } from '../../src/model/campaign.ts';
import type { NewEvent } from '../../src/model/events.ts';
import type { Instance } from '../../src/model/instance.ts';
import { type Caller, accountCaller } from '../../src/model/token.ts';
import type { Clock } from '../../src/model/time.ts';
import type { Database } from '../../src/store/database.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createMessageDueStore } from '../../src/store/message-due.ts';
import { createMessageStore, type MessageStore } from '../../src/store/messages.ts';
import { createRecipientStore } from '../../src/store/recipients.ts';
import { announcerInto } from './announcer.ts';
import { createScriptedClient, type ScriptedClient } from './client.ts';
import { newId } from './factories.ts';
import { forgetfulJournal } from './journal.ts';
import type { WithdrawalJournal } from '../../src/core/withdrawal-journal.ts';

/** Campaigns over a real database and outbox, with a scripted page. */
export interface CampaignBed extends CampaignEngine {
  caller: Caller;
  outbox: Outbox;
  client: ScriptedClient;
  messages: MessageStore;
  events: NewEvent[];
  /** Makes a campaign that sends without gaps and at any hour. */
  campaign(numbers: string[], patch?: Partial<CampaignInput>): Promise<Campaign>;
  /** The instance's page is there. */
  connect(): Promise<void>;
  /** The texts that the page was handed, in order. */
  texts(): string[];
  /** Counters as the row says and as the recipients' rows say. */
  counts(id: string): Promise<{ counters: RecipientCounts; rows: RecipientCounts }>;
  close(): Promise<void>;
}

/** No gaps, no breaks, no caps worth the name. */
export const noPacing = {
  medianMs: 0,
  minMs: 0,
  maxMs: 0,
  breakEveryMin: 0,
  breakEveryMax: 0,
  dailyCap: 1_000_000,
  newChatCap: 1_000_000,
  warmUp: false,
};

/** Returns phones of Tanzania: 255757100000 and on. */
export function phones(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => String(255757100000 + from + index));
}

/** Builds campaigns for one instance. */
export function createCampaignBed(input: {
  database: Database;
  instance: Instance;
  clock: Clock;
  random?: () => number;
  canSend?: () => boolean;
  hasHeard?: (instanceId: string) => boolean;
  journal?: WithdrawalJournal;
}): CampaignBed {
  const { database, instance, clock, journal = forgetfulJournal } = input;
  const idempotency = createIdempotency({ store: createIdempotencyStore(database), clock });
  const log = pino({ level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const messages = createMessageStore(database);
  const recipients = createRecipientStore(database);
  const events: NewEvent[] = [];
  const announcer = announcerInto(events);
  const caller = accountCaller(instance.accountId);
  const engine = createCampaignEngine({
    database,
    messages,
    announcer,
    clock,
    newId,
    log,
    instances: createInstanceStore(database),
    outbox: () => outbox,
    prepareContent: createContentPreparation({
      saveBase64: async ({ base64 }) => ({
        mediaId: base64,
        mimeType: 'image/png',
        sizeBytes: 1,
      }),
      saveUrl: async ({ url }) => ({
        mediaId: url,
        mimeType: 'image/png',
        sizeBytes: 1,
      }),
    }),
    idempotency,
    journal,
    touchMedia: async () => undefined,
    client: () => client,
    ...(input.canSend ? { canSend: input.canSend } : {}),
    ...(input.hasHeard ? { hasHeard: input.hasHeard } : {}),
    defaultCountry: 'TZ',
    retentionDays: 30,
    random: input.random ?? Math.random,
  });
  const outbox: Outbox = createOutbox({
    database,
    messages,
    due: createMessageDueStore(database),
    idempotency,
    journal,
    announcer,
    clock,
    log,
    follower: engine.lifecycle,
    readBase64: async () => 'QUJD',
    retryDelayMs: 20,
  });
  const client = createScriptedClient((outcomes) => outbox.onSent(instance.id, outcomes));

  return {
    ...engine,
    caller,
    outbox,
    client,
    messages,
    events,
    async campaign(numbers, patch = {}) {
      const { campaign } = await engine.campaigns.create(caller, {
        instance,
        message: 'hello',
        recipients: [numbers.map((number) => ({ number }))],
        pacing: noPacing,
        quietHours: null,
        start: true,
        ...patch,
      });
      return campaign;
    },
    connect: () => outbox.instanceReady(instance.id, client),
    texts: () => client.sent.map(({ content }) => (content.type === 'text' ? content.text : (content as never))),
    async counts(id) {
      await outbox.flush();
      const { counts } = await engine.campaigns.status(caller, id);
      return {
        counters: counts,
        rows: await recipients.counts(id),
      };
    },
    async close() {
      await engine.dispatcher.close();
      await outbox.close();
    },
  };
}
