import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer';
import whatsapp from 'whatsapp-web.js';
import type { Feature, SelfTest, ShimReport } from '../../model/features.ts';
import { assertStorage, guardPage, isNavigation } from './guard.ts';
import { bridgeScript } from './page/bridge.ts';
import { passkeyScript } from './page/passkey.ts';
import type { PageRecord } from './page/records.ts';
import { tapScript } from './page/tap.ts';
import { type Inspection, inspectionScript, toSelfTest } from './self-test.ts';
import { servePage } from './serve-page.ts';
import { shims, shimsOf } from './shims/index.ts';
import { type ShimStage, shimScript } from './shims/shim.ts';

/** What the gateway hears from the library's page. */
interface LibraryHooks {
  onRecords(records: PageRecord[]): void;
  onState(state: string): void;
  onLoggedOut(): void;
  /** The page went somewhere and could not be taken over again. */
  onBroken(reason: unknown): void;
}

/** Which page is shown: the live one, or `cacheDir/version.html`. */
export interface WebPage {
  version: string | null;
  cacheDir: string | null;
  /** Whether a signed passkey may be handed to the page. */
  isPasskeyRelay?: boolean;
}

/** Members of whatsapp-web.js 1.34.7 that its type declarations leave out. */
interface LibraryInternals {
  pupPage: Page;
  pupBrowser: Browser;
  lastLoggedOut: boolean;
  inject(): Promise<void>;
}

const pageUrl = 'https://web.whatsapp.com/';
const gotoTimeoutMs = 60_000;
const bindingName = '__wapbridgeReport';

/**
 * The real library on a browser that the gateway has launched. Two things are ours: how the page is opened (a deadline,
 * main-frame navigations only, every failure reported, no profile deleted under a running browser), which listeners sit in it
 * (`page/bridge.ts`), and what is mended in it where WhatsApp has moved on (`shims/`).
 */
export class LinkedPage extends whatsapp.Client {
  private readonly web: WebPage;
  private readonly hooks: LibraryHooks;
  /** The live page as it came over the network. */
  private liveHtml: string | null = null;
  /** What became of each shim in the page that is open. */
  private readonly mended = new Map<string, ShimReport>();
  /** The library's work at sync, while it goes on. */
  private syncing: Promise<unknown> | null = null;
  private readonly isPasskeyRelay: boolean;

  constructor(web: WebPage, hooks: LibraryHooks) {
    super({
      authTimeoutMs: gotoTimeoutMs,
      userAgent: false as unknown as string,
      webVersionCache: { type: 'none' },
    });
    this.web = web;
    this.hooks = hooks;
    this.isPasskeyRelay = web.isPasskeyRelay === true;
  }

  /** Opens the page in this browser and starts the library in it; rejects when the page does not come up in time. */
  async open(browser: Browser, { userAgent }: { userAgent: string | null }): Promise<void> {
    const page = (await browser.pages())[0] ?? (await browser.newPage());
    this.internals.pupBrowser = browser;
    this.internals.pupPage = page;
    guardPage(page, (reason) => this.hooks.onBroken(reason));
    // A headless shell says so in its user agent.
    await page.setUserAgent({ userAgent: userAgent ?? (await browser.userAgent()).replace('Headless', '') });
    await this.bind(page);
    this.syncOnce(page);
    if (this.web.version) await servePage(page, { url: pageUrl, html: await this.html() });
    else this.keepHtml(page);
    await page.goto(pageUrl, { waitUntil: 'load', timeout: gotoTimeoutMs, referer: 'https://whatsapp.com/' });
    await assertStorage(page);
    let isElsewhere = false;
    page.on('framenavigated', (frame) => {
      if (frame !== page.mainFrame()) return;
      isElsewhere = true;
      void this.navigated(frame.url());
    });
    // A page that goes elsewhere meanwhile, as after a logout, is taken over there.
    await this.takeOver().catch((error: unknown) => {
      if (!isElsewhere) throw error;
    });
  }

  /** Called by the library when WhatsApp Web has synced, in place of its own listeners. */
  async attachEventListeners(): Promise<void> {
    await this.mend('synced');
    await this.internals.pupPage.evaluate(bridgeScript(bindingName));
  }

  /** The first that the library asks of a page whose modules are there, each time it takes one over. */
  override async getWWebVersion(): Promise<string> {
    await this.mend('opened');
    return super.getWWebVersion();
  }

  /** Looks whether the page has what each feature takes; mends first what has come into the page since. */
  async selfTest(): Promise<SelfTest> {
    await this.mend('synced');
    const found = (await this.internals.pupPage.evaluate(inspectionScript())) as Inspection;
    return toSelfTest(
      found,
      shims.flatMap(({ name }) => this.mended.get(name) ?? []),
    );
  }

  /** Returns what the page does not have of what the feature takes; it need not be linked. */
  async lacking(feature: Feature): Promise<string[]> {
    const found = (await this.internals.pupPage.evaluate(inspectionScript([feature]))) as Inspection;
    return found.missing[feature] ?? [];
  }

  /** Returns the page as it was before its scripts ran. @throws Error when it is not known */
  async html(): Promise<string> {
    const { version, cacheDir } = this.web;
    if (version)
      return readFile(join(cacheDir ?? '', `${version}.html`), 'utf8').catch((error: unknown) => {
        throw new Error(`The page ${version} of WhatsApp Web is not in ${cacheDir}`, { cause: error });
      });
    if (this.liveHtml === null) throw new Error('The browser did not tell what it was sent');
    return this.liveHtml;
  }

  /** In place of the library's listener, whose failures nobody hears. */
  private keepHtml(page: Page): void {
    page.on('response', (response) => {
      if (!response.ok() || response.url() !== pageUrl) return;
      response.text().then(
        (html) => (this.liveHtml = html),
        () => undefined,
      );
    });
  }

  private get internals(): LibraryInternals {
    return this as unknown as LibraryInternals;
  }

  /** The binding is CDP's own: puppeteer would answer each call with an evaluate. */
  private async bind(page: Page): Promise<void> {
    const session = await page.createCDPSession();
    session.on('Runtime.bindingCalled', ({ name, payload }) => {
      if (name === bindingName) this.hooks.onRecords(JSON.parse(payload) as PageRecord[]);
    });
    await session.send('Runtime.enable');
    await session.send('Runtime.addBinding', { name: bindingName });
    await page.evaluateOnNewDocument(passkeyScript(bindingName, this.isPasskeyRelay));
    await page.evaluateOnNewDocument(tapScript(bindingName));
    // The library's own handler calls `window` in Node when the QR codes run out (Client.js:283).
    await page.exposeFunction('onAuthAppStateChangedEvent', (state: string) => {
      this.hooks.onState(state);
      if (state === 'UNPAIRED_IDLE')
        void page.evaluate(refreshQr).catch((error: unknown) => this.hooks.onBroken(error));
    });
  }

  /**
   * The library puts its helpers into the page each time it hears of a sync and does not find them there yet. Heard twice at
   * once (`shims/ready-race.ts`), the second set would replace the one that is mended.
   */
  private syncOnce(page: Page): void {
    const expose = page.exposeFunction.bind(page);
    page.exposeFunction = (name, given) => {
      if (name !== 'onAppStateHasSyncedEvent') return expose(name, given);
      const handle = given as () => Promise<unknown>;
      return expose(name, () => {
        if (this.syncing) return this.syncing;
        const work = handle().finally(() => {
          if (this.syncing === work) this.syncing = null;
        });
        this.syncing = work;
        return work;
      });
    };
  }

  private async takeOver(): Promise<void> {
    this.mended.clear();
    this.syncing = null;
    await this.internals.inject();
    await this.mend('injected');
  }

  private async mend(stage: ShimStage): Promise<void> {
    const reports = (await this.internals.pupPage.evaluate(shimScript(shimsOf(stage)))) as ShimReport[];
    for (const report of reports) this.mended.set(report.name, report);
  }

  private async navigated(url: string): Promise<void> {
    if (url.includes('post_logout=1') || this.internals.lastLoggedOut) {
      this.hooks.onLoggedOut();
      return;
    }
    try {
      await this.takeOver();
    } catch (error) {
      // The next navigation has its own turn.
      if (!isNavigation(error)) this.hooks.onBroken(error);
    }
  }
}

/* oxlint-disable typescript/no-explicit-any -- runs in the page, whose objects have no types */
function refreshQr(): void {
  (window as any).require('WAWebCmd').Cmd.refreshQR();
}
