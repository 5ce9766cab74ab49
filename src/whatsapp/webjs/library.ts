import type { Browser, Page } from 'puppeteer';
import whatsapp from 'whatsapp-web.js';
import { bridgeScript } from './page/bridge.ts';
import type { PageRecord } from './page/records.ts';

/** What the gateway hears from the library's page. */
export interface LibraryHooks {
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
}

/** Members of whatsapp-web.js 1.34.7 that its type declarations leave out. */
interface LibraryInternals {
  pupPage: Page;
  pupBrowser: Browser;
  lastLoggedOut: boolean;
  inject(): Promise<void>;
  initWebVersionCache(): Promise<void>;
}

const pageUrl = 'https://web.whatsapp.com/';
const gotoTimeoutMs = 60_000;
const bindingName = '__wapbridgeReport';

/**
 * The real library on a browser that the gateway has launched. Two things are ours: how the page is opened (a deadline,
 * main-frame navigations only, every failure reported, no profile deleted under a running browser) and which listeners
 * sit in it (`page/bridge.ts`).
 */
export class LinkedPage extends whatsapp.Client {
  private readonly hooks: LibraryHooks;

  constructor(web: WebPage, hooks: LibraryHooks) {
    super({
      authTimeoutMs: gotoTimeoutMs,
      userAgent: false as unknown as string,
      ...(web.version
        ? { webVersion: web.version, webVersionCache: { type: 'local', path: web.cacheDir ?? '', strict: true } }
        : { webVersionCache: { type: 'none' } }),
    });
    this.hooks = hooks;
  }

  /** Opens the page in this browser and starts the library in it; rejects when the page does not come up in time. */
  async open(browser: Browser): Promise<void> {
    const page = (await browser.pages())[0] ?? (await browser.newPage());
    this.internals.pupBrowser = browser;
    this.internals.pupPage = page;
    // A headless shell says so in its user agent.
    await page.setUserAgent({ userAgent: (await browser.userAgent()).replace('Headless', '') });
    await this.bind(page);
    await this.internals.initWebVersionCache();
    await page.goto(pageUrl, { waitUntil: 'load', timeout: gotoTimeoutMs, referer: 'https://whatsapp.com/' });
    await this.takeOver();
    page.on('framenavigated', (frame) => {
      if (frame === page.mainFrame()) void this.navigated(frame.url());
    });
  }

  /** Called by the library when WhatsApp Web has synced, in place of its own listeners. */
  async attachEventListeners(): Promise<void> {
    await this.internals.pupPage.evaluate(bridgeScript(bindingName));
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
    // The library's own handler calls `window` in Node when the QR codes run out (Client.js:283).
    await page.exposeFunction('onAuthAppStateChangedEvent', (state: string) => {
      this.hooks.onState(state);
      if (state === 'UNPAIRED_IDLE')
        void page.evaluate(refreshQr).catch((error: unknown) => this.hooks.onBroken(error));
    });
  }

  private async takeOver(): Promise<void> {
    await this.internals.inject();
    // `change:hasSynced` may have fired before the library listened: then `ready` would never come.
    await this.internals.pupPage.evaluate(announceSynced);
  }

  private async navigated(url: string): Promise<void> {
    if (url.includes('post_logout=1') || this.internals.lastLoggedOut) {
      this.hooks.onLoggedOut();
      return;
    }
    try {
      await this.takeOver();
    } catch (error) {
      this.hooks.onBroken(error);
    }
  }
}

/* oxlint-disable typescript/no-explicit-any -- runs in the page, whose objects have no types */
function refreshQr(): void {
  (window as any).require('WAWebCmd').Cmd.refreshQR();
}

function announceSynced(): void {
  const page = window as any;
  if (page.require('WAWebSocketModel').Socket.hasSynced && !page.wapbridge) page.onAppStateHasSyncedEvent();
}
