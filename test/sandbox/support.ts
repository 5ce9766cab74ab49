import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import whatsapp from 'whatsapp-web.js';
import type { Client } from 'whatsapp-web.js';
import { createSandbox } from '../../src/sandbox/sandbox.ts';
import type { Sandbox, SandboxOptions } from '../../src/sandbox/sandbox.ts';
import { patienceMs } from '../support/clock.ts';

const BROWSERS = ['/usr/lib/chromium/chromium-headless-shell', '/usr/bin/chromium'];

/** The browser the tests run in: `CHROMIUM_PATH`, else the headless shell, else Chromium. */
export const browserPath = process.env['CHROMIUM_PATH'] ?? BROWSERS.find((path) => existsSync(path)) ?? '';

/** A sandbox in a folder of its own, with the stock library's clients in it. Everything goes with `close`. */
export interface TestBed {
  readonly dir: string;
  sandbox: Sandbox;
  /** Starts a stock client on the profile `name`. `linkAs` scans its first QR code with that phone. */
  start(name: string, options?: StartOptions): Promise<Client>;
  /** Starts a stock client without waiting for anything. */
  open(name: string, options?: Record<string, unknown>, browserArgs?: string[]): Client;
  /** Ends this run of the sandbox and continues it as after a restart. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A client with what the library's types leave out. */
type StockClient = Client & { inject(): Promise<void> };

interface StartOptions {
  linkAs?: string;
  name?: string;
  /** Added to the browser's command line. */
  browserArgs?: string[];
}

/** Makes a test bed. */
export async function createTestBed(options: Partial<SandboxOptions> = {}): Promise<TestBed> {
  const dir = mkdtempSync(join(tmpdir(), 'sandbox-'));
  const clients = new Set<Client>();
  const injections = new Set<Promise<void>>();
  const settings: SandboxOptions = { syncDelayMs: 800, ...options, dir: join(dir, 'sandbox') };
  const bed: TestBed = {
    dir,
    sandbox: await createSandbox(settings),
    open(name, extra = {}, browserArgs = []) {
      const { version, cacheDir, chromiumArgs } = bed.sandbox.web;
      const client: StockClient = new whatsapp.Client({
        authStrategy: new whatsapp.LocalAuth({ clientId: name, dataPath: join(dir, 'profiles') }),
        webVersion: version,
        webVersionCache: { type: 'local', path: cacheDir, strict: true },
        puppeteer: {
          executablePath: browserPath,
          headless: browserPath.endsWith('headless-shell') ? 'shell' : true,
          pipe: true,
          args: ['--no-sandbox', '--disable-gpu', ...chromiumArgs, ...browserArgs],
        },
        ...extra,
      } as ConstructorParameters<typeof whatsapp.Client>[0]) as StockClient;
      clients.add(client);
      // The library injects again after each navigation and tells nobody when it is done; closing in between is an error.
      const inject = client.inject.bind(client);
      client.inject = () => {
        const injected = inject();
        injections.add(injected);
        return injected;
      };
      return client;
    },
    async start(name, { linkAs, name: person, browserArgs } = {}) {
      const client = bed.open(name, {}, browserArgs);
      if (linkAs !== undefined) {
        client.once('qr', (qr) => {
          void bed.sandbox.network.link(qr, { phone: linkAs, ...(person === undefined ? {} : { name: person }) });
        });
      }
      const ready = once(client, 'ready');
      await client.initialize();
      await ready;
      return client;
    },
    async restart() {
      await bed.sandbox.close();
      bed.sandbox = await createSandbox(settings);
    },
    async close() {
      await Promise.allSettled(injections);
      for (const client of clients) await client.destroy().catch(() => undefined);
      await bed.sandbox.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return bed;
}

/** Resolves with the arguments of the next event of a kind. */
export function once(client: Client, event: string): Promise<unknown[]> {
  return new Promise((resolve) => client.once(event, (...args: unknown[]) => resolve(args)));
}

/** Waits until `look` gives something. @throws Error after `timeoutMs` */
export async function until<T>(look: () => T | Promise<T>, timeoutMs = patienceMs): Promise<NonNullable<T>> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`Waited ${timeoutMs} ms in vain for: ${look.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
