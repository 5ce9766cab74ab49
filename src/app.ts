import type { RequestListener } from 'node:http';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { createAccounts } from './core/accounts.ts';
import { createCampaignEngine } from './core/campaign/engine.ts';
import { createContacts } from './core/contacts.ts';
import { createContentPreparation } from './core/content.ts';
import { createInbox } from './core/inbox.ts';
import { createInstances } from './core/instances.ts';
import { createStateWriter } from './core/instance-states.ts';
import { createMediaFiles } from './core/media-files.ts';
import { createMedia } from './core/media.ts';
import { createMessages } from './core/messages.ts';
import { createOutbox } from './core/outbox.ts';
import { createSecrets, readSecretKey } from './core/secrets.ts';
import { createSupervisor, type Supervisor } from './core/supervisor.ts';
import { createTokens } from './core/tokens.ts';
import { createWebhooks } from './core/webhooks.ts';
import { createDialects, webhookDialects } from './dialects/index.ts';
import { createHttpApp } from './http/app.ts';
import { createHttpServer } from './http/server.ts';
import { gatewayJobs, startJobs } from './jobs/index.ts';
import { isLocalhost, loopbacks } from './model/address.ts';
import { reasonOf } from './model/errors.ts';
import { accountCaller } from './model/token.ts';
import { createIdSource } from './model/ids.ts';
import { type Clock, systemClock } from './model/time.ts';
import { createOutbound } from './outbound.ts';
import { createSandboxControl, type SandboxInstances } from './sandbox/control.ts';
import { createSandbox, type Sandbox } from './sandbox/sandbox.ts';
import { createAccountStore } from './store/accounts.ts';
import { createDatabase } from './store/database.ts';
import { createIdempotencyStore } from './store/idempotency.ts';
import { createInstanceStore } from './store/instances.ts';
import { createLidStore } from './store/lids.ts';
import { createMediaStore } from './store/media.ts';
import { createMessageStore } from './store/messages.ts';
import { createTokenStore } from './store/tokens.ts';
import { version } from './version.ts';
import { type FoundBrowser, findBrowser } from './whatsapp/chromium/find.ts';
import { sandboxPossible } from './whatsapp/chromium/flags.ts';
import { createLauncher } from './whatsapp/chromium/launch.ts';
import { killOrphans, lockDataDir, removeProfile } from './whatsapp/chromium/profile.ts';
import { createWebjsFactory } from './whatsapp/webjs/client.ts';

/** A running gateway. */
export interface App {
  /** Where it listens. */
  url: string;
  port: number;
  core: AppCore;
  sandbox: Sandbox | null;
  /** Ends everything in good order, within about 25 s. */
  close(): Promise<void>;
}

/** The use cases, for programs in the same process (demo, tests). */
export interface AppCore {
  accounts: ReturnType<typeof createAccounts>;
  tokens: ReturnType<typeof createTokens>;
  instances: ReturnType<typeof createInstances>;
  messages: ReturnType<typeof createMessages>;
  contacts: ReturnType<typeof createContacts>;
  campaigns: ReturnType<typeof createCampaignEngine>['campaigns'];
  optOuts: ReturnType<typeof createCampaignEngine>['optOuts'];
  webhooks: ReturnType<typeof createWebhooks>;
}

interface AppOptions {
  config: Config;
  log: Logger;
  clock?: Clock;
  random?: () => number;
}

const httpGraceMs = 3_000;

/** The composition root: every part is made here, top to bottom, and ended in reverse by `close`. @throws Error in words for the operator when it cannot start */
export async function createApp({
  config,
  log,
  clock = systemClock(),
  random = Math.random,
}: AppOptions): Promise<App> {
  const closers: (() => Promise<unknown>)[] = [];
  /** Parts are closed in reverse order; one that fails does not keep the others open. */
  const close = once(async () => {
    for (const closer of closers.toReversed())
      await closer().catch((error: unknown) => log.error({ error: reasonOf(error) }, 'a part did not close'));
  });
  try {
    return await compose();
  } catch (error) {
    await close();
    throw error;
  }

  async function compose(): Promise<App> {
    const newId = createIdSource(clock.now);
    const lock = await lockDataDir(config.dataDir);
    closers.push(() => lock.release());
    const orphans = await killOrphans({ dataDir: config.dataDir });
    if (orphans.length > 0) log.warn({ pids: orphans }, 'ended browsers that a killed gateway left');

    let listener: RequestListener = (_, response) => response.writeHead(503, { 'Retry-After': '5' }).end();
    const server = createHttpServer((request, response) => listener(request, response));
    const port = await server.listen(config);
    closers.push(() => server.close(httpGraceMs));
    const url = config.publicUrl ?? `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;

    // ---- storage ----
    const database = createDatabase(config.databaseUrl);
    closers.push(() => database.close());
    if (config.migrateAtStart) await database.migrate();
    else await database.assertMigrated();
    const instanceStore = createInstanceStore(database);
    const messageStore = createMessageStore(database);
    const idempotency = createIdempotencyStore(database);
    const mediaStore = createMediaStore(database);

    // ---- WhatsApp, or its stand-in ----
    const sandbox = config.sandbox
      ? await createSandbox({ dir: join(config.dataDir, 'sandbox'), syncDelayMs: 50 })
      : null;
    if (sandbox) closers.push(() => sandbox.close());
    const launch = createLauncher({
      browser: browserOf(config),
      sandboxPossible: sandboxPossible(),
      extraArgs: [...config.chromiumArgs, ...(sandbox?.web.chromiumArgs ?? [])],
    });
    const web = sandbox?.web ?? { version: config.whatsappWebVersion, cacheDir: config.whatsappWebCacheDir };

    // ---- core ----
    const accounts = createAccounts({ store: createAccountStore(database), clock });
    const tokens = createTokens({ store: createTokenStore(database), clock, newId });
    const secrets = createSecrets(await readSecretKey(config));
    const outbound = createOutbound({ allowCidrs: config.webhookAllowCidrs, denyTargets: ownTargets(config, port) });
    closers.push(() => outbound.close());
    const media = createMedia({
      store: mediaStore,
      files: createMediaFiles({ dataDir: config.dataDir, newName: newId }),
      outbound,
      secrets,
      clock,
      newId,
      publicUrl: url,
      maxBytes: config.mediaMaxBytes,
      retentionDays: config.mediaRetentionDays,
    });
    const webhooks = createWebhooks({
      database,
      messages: messageStore,
      instances: instanceStore,
      dialects: () => webhookDialects,
      outbound,
      media,
      secrets,
      clock,
      random,
      newId,
      log,
      userAgent: `WapBridge-Gateway/${version}`,
      timeoutMs: config.webhookTimeoutMs,
      inlineMaxBytes: config.mediaInlineMaxBytes,
      bodyMaxBytes: config.webhookBodyMaxBytes,
      retentionDays: config.webhookRetentionDays,
    });
    closers.push(() => webhooks.stop());
    const prepareContent = createContentPreparation(media);
    const { campaigns, optOuts, lifecycle, dispatcher } = createCampaignEngine({
      database,
      messages: messageStore,
      instances: instanceStore,
      announcer: webhooks,
      outbox: () => outbox,
      prepareContent,
      touchMedia: mediaStore.touch,
      client: (instanceId) => supervisor.client(instanceId),
      defaultCountry: config.defaultCountry,
      retentionDays: config.campaignRetentionDays,
      clock,
      random,
      newId,
      log,
    });
    const outbox = createOutbox({
      database,
      messages: messageStore,
      announcer: webhooks,
      follower: lifecycle,
      readBase64: media.readBase64,
      clock,
      log,
    });
    closers.push(() => outbox.close());
    const inbox = createInbox({
      database,
      messages: messageStore,
      instances: instanceStore,
      lids: createLidStore(database),
      announcer: webhooks,
      listener: optOuts,
      storeMedia: ({ accountId, file }) =>
        media.saveBytes({ accountId, bytes: file.data, mimeType: file.mimeType, filename: file.filename }),
      client: (instanceId) => supervisor.client(instanceId),
      clock,
      newId,
      log,
    });
    const supervisor = createSupervisor({
      createClient: createWebjsFactory({ launch, web }),
      changeState: createStateWriter({ database, instances: instanceStore, announcer: webhooks }),
      blocked: lifecycle.blocked,
      outbox,
      inbox,
      profilesDir: join(config.dataDir, 'profiles'),
      removeProfile,
      startConcurrency: config.startConcurrency,
      clock,
      random,
      log,
    });
    closers.push(() => supervisor.close().then(() => inbox.settled()));
    closers.push(() => dispatcher.close());
    const instances = createInstances({ store: instanceStore, supervisor, outbox, clock });
    const messages = createMessages({
      database,
      messages: messageStore,
      instances: instanceStore,
      idempotency,
      outbox,
      prepareContent,
      defaultCountry: config.defaultCountry,
      clock,
      newId,
    });
    const contacts = createContacts({ supervisor, defaultCountry: config.defaultCountry });
    const core: AppCore = { accounts, tokens, instances, messages, contacts, campaigns, optOuts, webhooks };

    // ---- HTTP ----
    const dialects = createDialects({
      core,
      log,
      version,
      rateLimitPerMinute: config.rateLimitPerMinute,
      syncSendTimeoutMs: config.syncSendTimeoutMs,
      defaultCountry: config.defaultCountry,
    });
    const koa = createHttpApp({
      dialects,
      media,
      health: { database: () => database.assertMigrated() },
      log,
      version,
      publicUrl: () => url,
      bodyMaxBytes: config.bodyMaxBytes,
      uploads: { dir: join(config.dataDir, 'uploads'), maxBytes: config.uploadMaxBytes },
      corsOrigins: config.corsOrigins,
      trustProxy: config.trustProxy,
    });
    if (sandbox) {
      const control = createSandboxControl({ sandbox, instances: sandboxView(core, supervisor) });
      koa.use(control.routes()).use(control.allowedMethods());
    }

    // ---- to work ----
    if (config.bootstrapApiKey && config.bootstrapApiSecret) {
      const { id } = await accounts.first();
      await tokens.ensure({
        accountId: id,
        key: config.bootstrapApiKey,
        secret: config.bootstrapApiSecret,
        title: 'bootstrap',
      });
    }
    webhooks.start();
    await lifecycle.start();
    await instances.startWanted();
    const jobs = startJobs(
      gatewayJobs({ outbox, supervisor, campaigns: lifecycle, webhooks, media, idempotency, clock }),
      log,
    );
    closers.push(() => jobs.stop());
    const serve = koa.callback();
    listener = (request, response) => void serve(request, response);
    return { url, port, core, sandbox, close };
  }
}

/** What no webhook and no media URL may reach, whatever networks are allowed: this gateway and its database. */
function ownTargets(config: Config, port: number): { address: string; port: number }[] {
  const places = [
    { host: config.host, port },
    { host: 'localhost', port },
  ];
  if (config.databaseUrl.includes('://')) {
    const { hostname, port: databasePort } = new URL(config.databaseUrl);
    places.push({ host: hostname, port: Number(databasePort || 3306) });
  }
  return places.flatMap((place) => addressesOf(place.host).map((address) => ({ address, port: place.port })));
}

function addressesOf(host: string): string[] {
  if (isLocalhost(host)) return [...loopbacks];
  return isIP(host) ? [host] : [];
}

/** What the phone simulator sees of the instances: those of the first account. */
function sandboxView({ accounts, instances }: AppCore, supervisor: Supervisor): SandboxInstances {
  return {
    async list() {
      const all = await instances.list(accountCaller((await accounts.first()).id));
      return all.map((instance) => ({
        instanceId: instance.id,
        status: instance.state,
        ...(instance.phone ? { phone: instance.phone } : {}),
      }));
    },
    qr: (instanceId) => Promise.resolve(supervisor.qr(instanceId)?.code ?? null),
  };
}

/** @throws Error in words for the operator */
function browserOf(config: Config): FoundBrowser {
  const browser = findBrowser({ chromiumPath: config.chromiumPath });
  if (!browser)
    throw new Error(
      'No browser was found: install Chromium (Debian: apt-get install chromium-headless-shell), or name one with CHROMIUM_PATH',
    );
  return browser;
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => (done ??= work());
}
