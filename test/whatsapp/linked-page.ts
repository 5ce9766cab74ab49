import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Drift } from '../../src/sandbox/drift.ts';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { findBrowser } from '../../src/whatsapp/chromium/find.ts';
import { sandboxPossible } from '../../src/whatsapp/chromium/flags.ts';
import { createLauncher } from '../../src/whatsapp/chromium/launch.ts';
import { LinkedPage } from '../../src/whatsapp/webjs/library.ts';
import type { PageRecord } from '../../src/whatsapp/webjs/page/records.ts';
import { until } from '../support/clock.ts';

export const own = '255757000001';

/** The real library on a sandbox page in a browser of its own, linked and ready. */
export interface PageBed {
  sandbox: Sandbox;
  linked: LinkedPage;
  records: PageRecord[];
  /** How often the library said `ready`. */
  readonly readies: number;
  readonly isLoggedOut: boolean;
  /** Runs in the page. */
  inPage<T>(work: (page: any, input: any) => T, input?: unknown): Promise<Awaited<T>>;
  /** Closes the browser and opens the same profile again. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Starts one on a page with these changes. */
export async function openPage(drift: Drift[], { syncDelayMs = 0 } = {}): Promise<PageBed> {
  const dir = mkdtempSync(join(tmpdir(), 'wapbridge-page-'));
  const sandbox = await createSandbox({ dir: join(dir, 'sandbox'), drift, syncDelayMs });
  const launch = createLauncher({
    browser: findBrowser({ chromiumPath: process.env.CHROMIUM_PATH ?? null })!,
    sandboxPossible: sandboxPossible(),
    extraArgs: sandbox.web.chromiumArgs,
  });
  let readies = 0;
  let isLoggedOut = false;
  let launched: Awaited<ReturnType<typeof launch>>;
  const records: PageRecord[] = [];

  async function start(): Promise<LinkedPage> {
    launched = await launch({ instanceId: 'INST-01-0000001', profileDir: join(dir, 'profile') });
    const linked = new LinkedPage(sandbox.web, {
      onRecords: (batch) => void records.push(...batch),
      onState: () => undefined,
      onLoggedOut: () => {
        isLoggedOut = true;
      },
      onBroken: () => undefined,
    });
    readies = 0;
    linked.on('qr', (code: string) => void sandbox.network.link(code, { phone: own }));
    linked.on('ready', () => {
      readies += 1;
    });
    await linked.open(launched.browser, { userAgent: null });
    await until('it is ready', () => readies > 0);
    return linked;
  }

  const bed: PageBed = {
    sandbox,
    linked: await start(),
    records,
    get readies() {
      return readies;
    },
    get isLoggedOut() {
      return isLoggedOut;
    },
    inPage: (work, input) =>
      bed.linked.pupPage!.evaluate(`(${work.toString()})(window, ${JSON.stringify(input ?? null)})`) as never,
    async restart() {
      await launched.close(5_000);
      bed.linked = await start();
    },
    async close() {
      await launched.close(5_000);
      await sandbox.close();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return bed;
}
