import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../settings.ts';
import { type Accounts, createAccounts } from '../core/accounts.ts';
import { createAmendments } from '../core/amendments.ts';
import { type Audit, createAudit } from '../core/audit.ts';
import { createCampaignEngine } from '../core/campaign/engine.ts';
import type { Campaigns } from '../core/campaigns.ts';
import { type Contacts, createContacts } from '../core/contacts.ts';
import { createContentPreparation } from '../core/content.ts';
import { type Diagnoses, createDiagnoses } from '../core/diagnosis.ts';
import { createFeatures } from '../core/features.ts';
import { createIdempotency } from '../core/idempotency.ts';
import { createInbox } from '../core/inbox.ts';
import { type InstanceHistory, createInstanceHistory } from '../core/instance-history.ts';
import { createStateWriter } from '../core/instance-states.ts';
import { type Instances, createInstances } from '../core/instances.ts';
import { createMediaFiles } from '../core/media/files.ts';
import { type Media, createMedia } from '../core/media.ts';
import { type MessageLog, createMessageLog } from '../core/message-log.ts';
import { type Messages, createMessages } from '../core/messages.ts';
import type { Metrics } from '../core/metrics/metrics.ts';
import { createMissingFiles } from '../core/media/missing-files.ts';
import type { OptOuts } from '../core/opt-outs.ts';
import { createOutbox } from '../core/outbox.ts';
import { type Passkeys, createPasskeys } from '../core/passkeys.ts';
import { createSealing } from '../core/reseal.ts';
import { readSecretKeys } from '../core/secret-keys.ts';
import { createSecrets } from '../core/secrets.ts';
import { createSignals } from '../core/signals.ts';
import { type Supervisor, createSupervisor } from '../core/supervisor.ts';
import type { SupervisionLimits } from '../core/supervisor/limits.ts';
import { type Tokens, createTokens } from '../core/tokens.ts';
import { type WebRecorder, createWebRecorder } from '../core/web-recorder.ts';
import { type Webhooks, createWebhooks } from '../core/webhooks.ts';
import type { WithdrawalJournal } from '../core/withdrawal-journal.ts';
import { webhookDialects } from '../dialects/index.ts';
import type { JobDeps } from '../jobs/index.ts';
import type { Clock } from '../model/time.ts';
import type { DeniedTarget } from '../outbound-denied.ts';
import { createOutbound } from '../outbound.ts';
import { createAccountStore } from '../store/accounts.ts';
import { createAmendmentStore } from '../store/amendments.ts';
import type { Database } from '../store/database.ts';
import { createIdempotencyStore } from '../store/idempotency.ts';
import { createInstanceHistoryStore } from '../store/instance-history.ts';
import { createInstanceStore } from '../store/instances.ts';
import { createLidStore } from '../store/lids.ts';
import { createMediaStore } from '../store/media.ts';
import { createMessageDueStore } from '../store/message-due.ts';
import { createMessageLogStore } from '../store/message-log.ts';
import { createMessageStore } from '../store/messages.ts';
import { createMissingFileStore } from '../store/missing-files.ts';
import type { StatsStore } from '../store/stats.ts';
import { createTokenStore } from '../store/tokens.ts';
import { createWebhookStore } from '../store/webhooks.ts';
import { version } from '../version.ts';
import { createProfileKeeper } from '../whatsapp/chromium/keeper.ts';
import type { ClientFile } from '../whatsapp/client.ts';
import { createWebjsFactory } from '../whatsapp/webjs/client.ts';
import type { WhatsAppParts } from './whatsapp.ts';

/** The use cases, for programs in the same process (demo, tests). */
export interface AppCore {
  accounts: Accounts;
  tokens: Tokens;
  audit: Audit;
  instances: Instances;
  history: InstanceHistory;
  diagnoses: Diagnoses;
  passkeys: Passkeys;
  webRecorder: WebRecorder;
  messages: Messages;
  messageLog: MessageLog;
  contacts: Contacts;
  campaigns: Campaigns;
  optOuts: OptOuts;
  webhooks: Webhooks;
}

/** The core with what HTTP, the clock and the operator need of it beside the use cases. */
export interface BuiltCore {
  core: AppCore;
  supervisor: Supervisor;
  media: Media;
  /** Goes on with what was left from before. */
  start(): Promise<void>;
  /** Closes the browsers, and writes what they have told. */
  end(): Promise<void>;
  /** What the clock drives. */
  jobs: Omit<JobDeps, 'clock'>;
}

interface CoreParts {
  config: Config;
  database: Database;
  journal: WithdrawalJournal;
  stats: StatsStore;
  metrics: Metrics;
  whatsapp: WhatsAppParts;
  /** Where others reach the gateway, and the port it listens on. */
  url: string;
  port: number;
  supervision?: Partial<SupervisionLimits>;
  clock: Clock;
  random: () => number;
  newId: () => string;
  log: Logger;
  /** What is given here is called when the gateway ends, the last first. */
  onClose(closer: () => Promise<unknown>): void;
}

/** Wires the core. @throws Error in words for the operator when its secrets cannot be opened */
export async function buildCore(parts: CoreParts): Promise<BuiltCore> {
  const { config, database, journal, stats, metrics, whatsapp, url, onClose, clock, random, newId, log } = parts;
  const instanceStore = createInstanceStore(database);
  const messageStore = createMessageStore(database);
  const mediaStore = createMediaStore(database);
  const lids = createLidStore(database);
  const base = { database, messages: messageStore, instances: instanceStore, clock, random, newId, log };
  const { defaultCountry } = config;
  const profilesDir = join(config.dataDir, 'profiles');
  const client = (instanceId: string) => supervisor.client(instanceId);

  // ---- accounts and secrets ----
  const accounts = createAccounts({ store: createAccountStore(database), clock });
  const audit = createAudit(base);
  const tokens = createTokens({ ...base, store: createTokenStore(database), audit });
  const secrets = createSecrets(await readSecretKeys(config));
  const endpoints = createWebhookStore(database);
  const resealed = await createSealing({ database, endpoints, instances: instanceStore, secrets }).renew();
  if (resealed > 0) log.info({ count: resealed }, 'secrets are sealed with the current key');
  const idempotency = createIdempotency({ store: createIdempotencyStore(database), clock });

  // ---- what goes to other machines ----
  const outbound = createOutbound({
    allowCidrs: config.webhookAllowCidrs,
    allowPorts: config.webhookAllowPorts,
    httpsOnly: config.webhookHttpsOnly,
    proxyUrl: config.outboundProxy,
    denyTargets: ownTargets(config, parts.port),
  });
  onClose(() => outbound.close());
  const media = createMedia({
    ...base,
    store: mediaStore,
    files: createMediaFiles({ dataDir: config.dataDir, newName: newId }),
    outbound,
    secrets,
    publicUrl: url,
    maxBytes: config.mediaMaxBytes,
    retentionDays: config.mediaRetentionDays,
  });
  const webhooks = createWebhooks({
    ...base,
    dialects: () => webhookDialects,
    outbound,
    media,
    secrets,
    userAgent: `WapBridge-Gateway/${version}`,
    timeoutMs: config.webhookTimeoutMs,
    inlineMaxBytes: config.mediaInlineMaxBytes,
    bodyMaxBytes: config.webhookBodyMaxBytes,
    retentionDays: config.webhookRetentionDays,
    watch: metrics.webhooksWritten,
  });
  onClose(() => webhooks.stop());
  const historyStore = createInstanceHistoryStore(database);
  const history = createInstanceHistory({ ...base, store: historyStore, instances: () => instances });
  const announcer = metrics.watchEvents(history.watch(webhooks));

  // ---- messages out ----
  const features = createFeatures({
    ...base,
    client,
    regained(instanceId) {
      outbox.featuresChanged(instanceId);
      engine.dispatcher.nudge(instanceId);
    },
    enforced: config.featureGate,
  });
  const prepareContent = createContentPreparation(media);
  const engine = createCampaignEngine({
    ...base,
    announcer,
    outbox: () => outbox,
    idempotency,
    journal,
    prepareContent,
    touchMedia: mediaStore.touch,
    client,
    canSend: (instanceId, type) => !features.held(instanceId).has(type),
    hasHeard: (instanceId) => inbox.hasHeard(instanceId),
    defaultCountry,
    retentionDays: config.campaignRetentionDays,
  });
  const { campaigns, optOuts, lifecycle } = engine;
  const outbox = createOutbox({
    ...base,
    due: createMessageDueStore(database),
    idempotency,
    journal,
    announcer,
    follower: lifecycle,
    readBase64: media.readBase64,
    held: features.held,
    sendEnded: metrics.sendEnded,
  });
  onClose(() => outbox.close());

  // ---- what comes in ----
  const storeMedia = ({ accountId, file }: { accountId: string; file: ClientFile }) =>
    media.saveBytes({ accountId, bytes: file.data, mimeType: file.mimeType, filename: file.filename });
  const missing = createMissingFiles({
    ...base,
    store: createMissingFileStore(database),
    announcer,
    storeMedia,
    client,
  });
  const inbox = createInbox({
    ...base,
    lids,
    announcer,
    listener: optOuts,
    heard: engine.dispatcher.nudge,
    storeMedia,
    missing,
    client,
  });
  const amendments = createAmendments({
    ...base,
    store: createAmendmentStore(database),
    announcer,
    announced: inbox.announced,
  });
  const signals = createSignals({ ...base, lids, announcer, wanted: webhooks.wanted });
  const passkeys = createPasskeys({
    ...base,
    announcer,
    audit,
    instance: (caller, id) => instances.get(caller, id),
    isRelay: config.experimentalPasskeyRelay,
  });

  // ---- instances ----
  const changeState = createStateWriter({ ...base, announcer });
  const supervisor = createSupervisor({
    ...base,
    createClient: createWebjsFactory({ launch: whatsapp.browsers.launch, web: whatsapp.web }),
    changeState,
    instance: instanceStore.byId,
    openSecret: secrets.open,
    blocked: lifecycle.blocked,
    outbox,
    inbox,
    amendments,
    signals,
    features,
    ended: metrics.browserEnded,
    passkeys,
    profilesDir,
    profiles: createProfileKeeper({ trial: whatsapp.trial }),
    startConcurrency: config.startConcurrency,
    startStaggerMs: config.startStaggerMs,
    memoryLimitBytes: config.instanceMemoryLimitMb === 0 ? null : config.instanceMemoryLimitMb * 2 ** 20,
    ...(parts.supervision ? { limits: parts.supervision } : {}),
  });
  const instances = createInstances({ ...base, store: instanceStore, supervisor, outbox, audit, changeState, secrets });

  // ---- use cases on top ----
  const messages = createMessages({
    ...base,
    idempotency,
    outbox,
    features,
    prepareContent,
    keepMedia: mediaStore.touch,
    defaultCountry,
  });
  const messageLog = createMessageLog({
    ...base,
    store: createMessageLogStore(database),
    lids,
    flush: outbox.flush,
    defaultCountry,
    retentionDays: config.messageRetentionDays,
    webhookRetentionDays: config.webhookRetentionDays,
  });
  const contacts = createContacts({ supervisor, features, defaultCountry });
  const { anyClient } = supervisor;
  const diagnoses = createDiagnoses({ instances, history: historyStore, stats, anyClient, profilesDir });
  const webRecorder = createWebRecorder({
    instances: () => instances,
    wanted: instanceStore.wanted,
    anyClient,
    versions: whatsapp.versions,
    clock,
    log,
  });

  return {
    core: {
      accounts,
      tokens,
      audit,
      instances,
      history,
      diagnoses,
      passkeys,
      webRecorder,
      messages,
      messageLog,
      contacts,
      campaigns,
      optOuts,
      webhooks,
    },
    supervisor,
    media,
    async start() {
      webhooks.start();
      await lifecycle.start();
      await outbox.start();
      await instances.startWanted();
    },
    async end() {
      const campaignsEnded = engine.dispatcher.close();
      await supervisor.close();
      await Promise.all([campaignsEnded, inbox.close(), amendments.close(), signals.settled()]);
    },
    jobs: {
      outbox,
      messages: messageLog,
      campaigns: lifecycle,
      webhooks,
      missing,
      media,
      idempotency,
      audit,
      auditRetentionDays: config.auditRetentionDays,
      history,
      recorder: config.whatsappWebRecord ? webRecorder : null,
    },
  };
}

/** What no webhook and no media URL may reach, whatever networks are allowed: this gateway and its database. */
function ownTargets(config: Config, port: number): DeniedTarget[] {
  const targets = [config.host, 'localhost'].map((host) => ({ host, port }));
  if (!config.databaseUrl.includes('://')) return targets;
  const { hostname, port: databasePort } = new URL(config.databaseUrl);
  return [...targets, { host: hostname.replace(/^\[|\]$/g, ''), port: Number(databasePort || 3306) }];
}
