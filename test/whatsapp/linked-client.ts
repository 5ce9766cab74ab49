import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'puppeteer';
import { createSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { findBrowser } from '../../src/whatsapp/chromium/find.ts';
import { sandboxPossible } from '../../src/whatsapp/chromium/flags.ts';
import { createLauncher } from '../../src/whatsapp/chromium/launch.ts';
import type { ClientEvent, WhatsAppClient } from '../../src/whatsapp/client.ts';
import { createWebjsFactory } from '../../src/whatsapp/webjs/client.ts';
import type { WebPage } from '../../src/whatsapp/webjs/library.ts';
import { until } from '../support/clock.ts';

/** The number that clients of a bed are linked to. */
export const own = '255757000001';

/** A client of the gateway in a real browser, in front of a sandbox page of its own. */
export interface ClientBed {
  sandbox: Sandbox;
  client: WhatsAppClient;
  /** Everything it told, in order. */
  events: ClientEvent[];
  /** Ends the browser and starts another on the same profile. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Makes a bed whose client is ready, or just started with `ready: false`; `prepare` gets each browser before the page is opened,
 * `web` and `chromiumArgs` are asked at each start.
 */
export async function createClientBed(
  options: Partial<SandboxOptions> & {
    ready?: boolean;
    /** False: nobody scans the codes. */
    scan?: boolean;
    prepare?(browser: Browser): Promise<void>;
    web?(sandbox: Sandbox): Promise<WebPage>;
    chromiumArgs?(sandbox: Sandbox): string[];
  } = {},
): Promise<ClientBed> {
  const { ready = true, scan = true, prepare, web, chromiumArgs, ...sandboxOptions } = options;
  const dir = mkdtempSync(join(tmpdir(), 'wapbridge-client-'));
  const sandbox = await createSandbox({ syncDelayMs: 0, ...sandboxOptions, dir: join(dir, 'sandbox') });
  const events: ClientEvent[] = [];

  async function start(): Promise<WhatsAppClient> {
    const launcher = createLauncher({
      browser: findBrowser({ chromiumPath: process.env.CHROMIUM_PATH ?? null })!,
      sandboxPossible: sandboxPossible(),
      extraArgs: chromiumArgs?.(sandbox) ?? sandbox.web.chromiumArgs,
    });
    const launch: typeof launcher = async (input) => {
      const launched = await launcher(input);
      await prepare?.(launched.browser);
      return launched;
    };
    const client = createWebjsFactory({ launch, web: async () => (await web?.(sandbox)) ?? sandbox.web })({
      instanceId: 'INST-01-0000001',
      profileDir: join(dir, 'profile'),
      onEvent(event) {
        events.push(event);
        if (event.type === 'qr' && scan) sandbox.network.link(event.code, { phone: own }).catch(() => undefined);
      },
    });
    await client.start().catch(async (error: unknown) => {
      await client.stop(5_000);
      throw error;
    });
    if (ready) await until('it is ready', () => events.some((event) => event.type === 'ready'));
    return client;
  }

  const bed: ClientBed = {
    sandbox,
    client: await start(),
    events,
    async restart() {
      await bed.client.stop(5_000);
      events.length = 0;
      bed.client = await start();
    },
    async close() {
      await bed.client.stop(5_000);
      await sandbox.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return bed;
}
