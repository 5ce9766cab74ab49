import type { Browser, Page } from 'puppeteer';
import { actionTable } from '../../model/action.ts';
import { GatewayError, reasonOf } from '../../model/errors.ts';
import { type SelfTest, features, sameFindings } from '../../model/features.ts';
import { parseJid } from '../../model/jid.ts';
import { withTimeout } from '../../model/time.ts';
import type {
  BrowserMemory,
  ClientEvent,
  ClientFactory,
  ClientMessage,
  ClientOptions,
  ReceivedMessage,
  WhatsAppClient,
} from '../client.ts';
import { ClientError } from '../client.ts';
import { encodeContent } from './codec/index.ts';
import { toAmendment, toClientEvents, toReceivedMessage } from './events.ts';
import { LinkedPage, type WebPage } from './library.ts';
import { endLink, lineState, takeLine } from './page/line.ts';
import type { PageBridge, PagePasskeyControl, PageSend } from './page/records.ts';

/** Starts a browser on a profile; resolves to the browser and what closes it. */
export type LaunchBrowser = (input: {
  instanceId: string;
  profileDir: string;
  proxyUrl?: string | null;
  userAgent?: string | null;
  /** Ends the browser, also while it is being started. */
  signal?: AbortSignal;
}) => Promise<LaunchedBrowser>;

/** A browser that runs, and how it is ended. */
export interface LaunchedBrowser {
  browser: Browser;
  /** Measures the whole process tree. */
  memory(): Promise<BrowserMemory | null>;
  /** Closes the browser within `timeoutMs`, by force after that, and gives the profile free; tells whether it closed by itself. */
  close(timeoutMs: number): Promise<boolean>;
}

const callTimeoutMs = 30_000;
const mediaTimeoutMs = 120_000;
/** WhatsApp Web itself gives the network 3 s, and then forgets everything it has. */
const logoutTimeoutMs = 20_000;
/** The page that comes after a logout loads at first, and keeps the browser from closing; its profile is of no use any more. */
const logoutStopMs = 2_000;
const retestPausesMs = [5_000, 30_000, 300_000];

/** Returns the factory of clients that drive WhatsApp Web through whatsapp-web.js in a browser of their own. */
export function createWebjsFactory(deps: { launch: LaunchBrowser; web(): Promise<WebPage> }): ClientFactory {
  return (options) => createWebjsClient({ ...deps, ...options });
}

interface ClientDeps extends ClientOptions {
  launch: LaunchBrowser;
  /** Is asked at each start. */
  web(): Promise<WebPage>;
}

function createWebjsClient({ launch, web, onEvent, ...options }: ClientDeps): WhatsAppClient {
  const abort = new AbortController();
  let launching: Promise<LaunchedBrowser> | null = null;
  let stopping: Promise<boolean> | null = null;
  let linked: LinkedPage | null = null;
  let ended = false;
  let unlinked: () => void = () => undefined;
  let lastTest: SelfTest | null = null;
  let retest: NodeJS.Timeout | undefined;

  /** The end is told once, whoever notices it first; a client that was stopped on purpose tells nothing. */
  function end(event: ClientEvent): void {
    if (ended) return;
    ended = true;
    onEvent(event);
  }

  async function start(): Promise<void> {
    launching = launch({ ...options, signal: abort.signal });
    const launched = await launching;
    if (ended) return;
    launched.browser.once('disconnected', () => end({ type: 'closed', reason: 'The browser has ended' }));
    const library = new LinkedPage(await web(), {
      onRecords: (records) => toClientEvents(records).forEach(emit),
      onState: (state) => emit({ type: 'connection', state }),
      onLoggedOut() {
        unlinked();
        end({ type: 'logged_out' });
      },
      onBroken: (error) => end({ type: 'closed', reason: reasonOf(error) }),
    });
    linked = library;
    library.on('qr', (code: string) => emit({ type: 'qr', code }));
    library.on('authenticated', () => emit({ type: 'authenticating' }));
    library.on('ready', () => void announceReady());
    library.on('loading_screen', () => emit({ type: 'progress' }));
    await library.open(launched.browser, { userAgent: options.userAgent ?? null }).catch((error: unknown) => {
      throw openError(error);
    });
  }

  function emit(event: ClientEvent): void {
    if (!ended) onEvent(event);
  }

  async function announceReady(): Promise<void> {
    try {
      await testAgain();
      const account = await call('account', callTimeoutMs);
      emit({ type: 'ready', account: { ...account, lid: account.lid ? parseJid(account.lid) : null } });
    } catch (error) {
      end({ type: 'closed', reason: reasonOf(error) });
    }
  }

  /** Modules may come into a page late: while something is missing, it is looked for again. */
  async function testAgain(pauses: readonly number[] = retestPausesMs): Promise<void> {
    const selfTest = await examine();
    if (!lastTest || !sameFindings(lastTest, selfTest)) emit({ type: 'self_test', selfTest });
    lastTest = selfTest;
    const [pauseMs, ...later] = pauses;
    if (ended || pauseMs === undefined || Object.keys(selfTest.missing).length === 0) return;
    clearTimeout(retest);
    // The last pause goes on for ever.
    retest = setTimeout(
      () => void testAgain(later.length > 0 ? later : [pauseMs]).catch(() => undefined),
      pauseMs,
    ).unref();
  }

  function examine(): Promise<SelfTest> {
    if (!linked) throw new Error('The page is not open');
    return withTimeout(linked.selfTest(), callTimeoutMs, 'WhatsApp Web does not answer');
  }

  function page(): Page {
    if (!linked?.pupPage) throw new Error('The page is not open');
    return linked.pupPage;
  }

  /** Calls the bridge in the page; rejects when the page does not answer in time. */
  function call<K extends keyof PageBridge>(
    method: K,
    timeoutMs: number,
    ...args: Parameters<PageBridge[K]>
  ): Promise<Awaited<ReturnType<PageBridge[K]>>> {
    const answer = page().evaluate(callBridge, method, args) as Promise<Awaited<ReturnType<PageBridge[K]>>>;
    return withTimeout(answer, timeoutMs, 'WhatsApp Web does not answer');
  }

  function stop(timeoutMs: number): Promise<boolean> {
    ended = true;
    clearTimeout(retest);
    stopping ??= close(timeoutMs);
    return stopping;
  }

  async function close(timeoutMs: number): Promise<boolean> {
    const whileStarting = setTimeout(() => abort.abort(), timeoutMs);
    const launched = await launching?.catch(() => null);
    clearTimeout(whileStarting);
    return launched ? launched.close(timeoutMs) : true;
  }

  return {
    start,
    stop,

    async requestPairingCode(phone) {
      if (!linked) throw new Error('The page is not open');
      const lacking = await linked.lacking('pairing_code');
      if (lacking.length > 0)
        throw new GatewayError(
          'feature_unavailable',
          `${features.pairing_code} is not possible on this page of WhatsApp Web: ${lacking.join(', ')} is missing`,
        );
      return withTimeout(
        linked.requestPairingCode(phone),
        callTimeoutMs,
        'WhatsApp did not answer with a pairing code',
      );
    },

    async logout() {
      ended = true;
      const isDone = new Promise<void>((resolve) => (unlinked = resolve));
      try {
        await withTimeout(
          Promise.all([page().evaluate(endLink), isDone]),
          logoutTimeoutMs,
          'WhatsApp Web does not answer',
        );
      } finally {
        await stop(logoutStopMs);
      }
    },

    selfTest: examine,
    takeover: () => withTimeout(page().evaluate(takeLine), callTimeoutMs, 'WhatsApp Web does not answer'),
    memory: async () => (await launching)?.memory() ?? null,

    send: (messages) => call('send', mediaTimeoutMs, messages.map(toPageSend)),

    async find(keys) {
      return keys.length === 0 ? [] : call('find', callTimeoutMs, keys);
    },

    async checkNumber(jid) {
      const found = await call('checkNumber', callTimeoutMs, jid);
      return found ? parseJid(found) : null;
    },

    async restrictions() {
      const { timelock, newChats } = await call('restrictions', callTimeoutMs);
      const endsAt = timelock?.endsAt ? timelock.endsAt * 1000 : null;
      return { timelock: timelock && { ...timelock, endsAt }, newChats };
    },

    async downloadMedia(waKey) {
      const answer = await call('downloadMedia', mediaTimeoutMs, waKey);
      if ('error' in answer) throw new Error(answer.error);
      return {
        data: Buffer.from(answer.data, 'base64'),
        mimeType: answer.mimeType,
        ...(answer.filename ? { filename: answer.filename } : {}),
      };
    },

    async chatsSince(sinceMs) {
      const chats = await call('chatsSince', callTimeoutMs, Math.floor(sinceMs / 1000));
      return chats.map(parseJid).filter((chat) => chat !== null);
    },

    async receivedSince(chat, sinceMs) {
      const messages = await call('receivedSince', callTimeoutMs, chat, Math.floor(sinceMs / 1000));
      return messages.map(toReceivedMessage).filter((message): message is ReceivedMessage => message !== null);
    },

    async amended(keys) {
      const pageKeys = keys.map(({ waKey, happenedAt }) => ({ waKey, t: Math.floor(happenedAt / 1000) }));
      const found = await call('amended', mediaTimeoutMs, pageKeys);
      return found.map(toAmendment).filter((amendment) => amendment !== null);
    },

    async passkey(request) {
      const given = request.ask === 'answer' ? request.assertion : null;
      return withTimeout(
        page().evaluate(askPasskey, request.ask, given),
        callTimeoutMs,
        'WhatsApp Web does not answer',
      );
    },

    async probe(timeoutMs) {
      return withTimeout(page().evaluate(lineState), timeoutMs, 'The page does not answer');
    },

    async webPage() {
      if (!linked) throw new Error('The page is not open');
      // Not by the bridge, which comes with the login.
      const version = await withTimeout(page().evaluate(pageVersion), callTimeoutMs, 'WhatsApp Web does not answer');
      return { version, html: await linked.html() };
    },

    browserVersion: () => page().browser().version(),
    screenshot: (timeoutMs) => withTimeout(takePicture(page()), timeoutMs, 'The page does not answer'),
  };
}

/** Not puppeteer's own: that waits behind another screenshot, for ever when the page is frozen. */
async function takePicture(page: Page): Promise<Buffer> {
  const session = await page.createCDPSession();
  try {
    const { data } = await session.send('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data, 'base64');
  } finally {
    // A browser that is gone needs no goodbye.
    session.detach().catch(() => undefined);
  }
}

function toPageSend(message: ClientMessage): PageSend {
  const { text, media, options } = encodeContent(message.content, message.mediaBase64);
  return { waId: message.waId, chat: message.chat, retry: message.retry, text, options, ...(media ? { media } : {}) };
}

/** Chromium's names for a proxy that does not answer, refuses, or asks for a login that it did not get. */
const proxyErrors = /net::ERR_(PROXY|TUNNEL_CONNECTION|SOCKS_CONNECTION|UNEXPECTED_PROXY_AUTH|MANDATORY_PROXY)/;

/** Says what a person can do about a page that did not open. */
function openError(error: unknown): unknown {
  const text = reasonOf(error);
  if (proxyErrors.test(text))
    return new ClientError('proxy_unreachable', `${actionTable.proxy_unreachable} (${text})`, { cause: error });
  return error;
}

/* oxlint-disable typescript/no-explicit-any -- these run in the page, whose objects have no types */
function callBridge(method: string, args: unknown[]): unknown {
  return (window as any).wapbridge[method](...args);
}

async function askPasskey(ask: keyof PagePasskeyControl, given: unknown): Promise<boolean> {
  const control = (window as any).wapbridgePasskey;
  return control ? (await control[ask](given)) !== false : false;
}

function pageVersion(): string {
  return (window as any).Debug.VERSION;
}
