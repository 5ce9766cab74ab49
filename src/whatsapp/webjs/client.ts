import type { Browser, Page } from 'puppeteer';
import { reasonOf } from '../../model/errors.ts';
import { parseJid } from '../../model/jid.ts';
import { withTimeout } from '../../model/time.ts';
import type { ClientEvent, ClientFactory, ClientMessage, ReceivedMessage, WhatsAppClient } from '../client.ts';
import { encodeContent } from './codec/index.ts';
import { toClientEvents, toReceivedMessage } from './events.ts';
import { LinkedPage, type WebPage } from './library.ts';
import type { PageBridge, PageSend } from './page/records.ts';

/** Starts a browser on a profile; resolves to the browser and what closes it. */
export type LaunchBrowser = (input: { instanceId: string; profileDir: string }) => Promise<LaunchedBrowser>;

export interface LaunchedBrowser {
  browser: Browser;
  /** Closes the browser within `timeoutMs`, by force after that, and gives the profile free. */
  close(timeoutMs: number): Promise<void>;
}

const callTimeoutMs = 30_000;
const mediaTimeoutMs = 120_000;

/** Returns the factory of clients that drive WhatsApp Web through whatsapp-web.js in a browser of their own. */
export function createWebjsFactory(deps: { launch: LaunchBrowser; web: WebPage }): ClientFactory {
  return ({ instanceId, profileDir, onEvent }) => createWebjsClient({ ...deps, instanceId, profileDir, onEvent });
}

interface ClientDeps {
  launch: LaunchBrowser;
  web: WebPage;
  instanceId: string;
  profileDir: string;
  onEvent(event: ClientEvent): void;
}

function createWebjsClient({ launch, web, instanceId, profileDir, onEvent }: ClientDeps): WhatsAppClient {
  let launched: LaunchedBrowser | null = null;
  let linked: LinkedPage | null = null;
  let ended = false;

  /** The end is told once, whoever notices it first; a client that was stopped on purpose tells nothing. */
  function end(event: ClientEvent): void {
    if (ended) return;
    ended = true;
    onEvent(event);
  }

  async function start(): Promise<void> {
    launched = await launch({ instanceId, profileDir });
    if (ended) return launched.close(callTimeoutMs);
    launched.browser.once('disconnected', () => end({ type: 'closed', reason: 'The browser has ended' }));
    const library = new LinkedPage(web, {
      onRecords: (records) => toClientEvents(records).forEach(emit),
      onState: (state) => emit({ type: 'connection', state }),
      onLoggedOut: () => end({ type: 'logged_out' }),
      onBroken: (error) => end({ type: 'closed', reason: reasonOf(error) }),
    });
    linked = library;
    library.on('qr', (code: string) => emit({ type: 'qr', code }));
    library.on('authenticated', () => emit({ type: 'authenticating' }));
    library.on('ready', () => void announceReady());
    await library.open(launched.browser);
    page().once('close', () => end({ type: 'closed', reason: 'The page was closed' }));
    page().once('error', (error) => end({ type: 'closed', reason: `The page crashed: ${reasonOf(error)}` }));
  }

  function emit(event: ClientEvent): void {
    if (!ended) onEvent(event);
  }

  async function announceReady(): Promise<void> {
    try {
      const account = await call('account', callTimeoutMs);
      emit({ type: 'ready', account: { ...account, lid: account.lid ? parseJid(account.lid) : null } });
    } catch (error) {
      end({ type: 'closed', reason: reasonOf(error) });
    }
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

  async function stop(timeoutMs: number): Promise<void> {
    ended = true;
    await launched?.close(timeoutMs);
  }

  return {
    start,
    stop,

    requestPairingCode: (phone) => {
      if (!linked) throw new Error('The page is not open');
      return withTimeout(
        linked.requestPairingCode(phone),
        callTimeoutMs,
        'WhatsApp did not answer with a pairing code',
      );
    },

    async logout() {
      ended = true;
      try {
        await withTimeout(page().evaluate(unlink), 10_000, 'WhatsApp Web does not answer');
      } finally {
        await launched?.close(10_000);
      }
    },

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

    async receivedSince(sinceMs) {
      const messages = await call('receivedSince', mediaTimeoutMs, Math.floor(sinceMs / 1000));
      return messages.map(toReceivedMessage).filter((message): message is ReceivedMessage => message !== null);
    },

    async probe(timeoutMs) {
      return withTimeout(page().evaluate(socketState), timeoutMs, 'The page does not answer');
    },
  };
}

function toPageSend(message: ClientMessage): PageSend {
  const { text, media, options } = encodeContent(message.content, message.mediaBase64);
  return { waId: message.waId, chat: message.chat, retry: message.retry, text, options, ...(media ? { media } : {}) };
}

/* oxlint-disable typescript/no-explicit-any -- these run in the page, whose objects have no types */
function callBridge(method: string, args: unknown[]): unknown {
  return (window as any).wapbridge[method](...args);
}

function unlink(): unknown {
  return (window as any).require('WAWebSocketModel').Socket.logout();
}

function socketState(): string {
  return (window as any).require('WAWebSocketModel').Socket.state;
}
