import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'puppeteer';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { findBrowser } from '../../src/whatsapp/chromium/find.ts';
import { sandboxPossible } from '../../src/whatsapp/chromium/flags.ts';
import { createLauncher } from '../../src/whatsapp/chromium/launch.ts';
import type { ClientEvent, ClientOptions, WhatsAppClient } from '../../src/whatsapp/client.ts';
import { createWebjsFactory, type LaunchBrowser } from '../../src/whatsapp/webjs/client.ts';
import { browsersIn } from '../support/browsers.ts';
import { until } from '../support/clock.ts';

const own = '255757000001';

let dir: string;
let sandbox: Sandbox;
let clients: WhatsAppClient[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-death-'));
  sandbox = await createSandbox({ dir: join(dir, 'sandbox'), syncDelayMs: 0 });
  clients = [];
});

afterEach(async () => {
  for (const client of clients) await client.stop(2_000);
  await sandbox.close();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

interface Opened {
  client: WhatsAppClient;
  events: ClientEvent[];
  page: Page;
}

/** Makes a client on a profile, not started; `launched` gets its page. */
function make(profile: string, options: Partial<ClientOptions> & { onPage?(page: Page): void } = {}) {
  const events: ClientEvent[] = [];
  const launcher = createLauncher({
    browser: findBrowser({ chromiumPath: process.env.CHROMIUM_PATH ?? null })!,
    sandboxPossible: sandboxPossible(),
    extraArgs: sandbox.web.chromiumArgs,
  });
  const launch: LaunchBrowser = async (input) => {
    const launched = await launcher(input);
    options.onPage?.((await launched.browser.pages())[0]!);
    return launched;
  };
  const client = createWebjsFactory({ launch, web: async () => sandbox.web })({
    ...options,
    instanceId: 'INST-01-0000001',
    profileDir: join(dir, profile),
    onEvent(event) {
      events.push(event);
      if (event.type === 'qr') void sandbox.network.link(event.code, { phone: own });
    },
  });
  clients.push(client);
  return { client, events };
}

/** Starts a client and waits until it is ready. */
async function open(profile = 'profile', options: Partial<ClientOptions> = {}): Promise<Opened> {
  let page: Page | undefined;
  const { client, events } = make(profile, { ...options, onPage: (found) => (page = found) });
  await client.start();
  await until('it is ready', () => events.some(({ type }) => type === 'ready'));
  return { client, events, page: page! };
}

const connections = (events: ClientEvent[]) =>
  events.flatMap((event) => (event.type === 'connection' ? [event.state] : []));

it('tells that its page was closed', async () => {
  const { events, page } = await open();
  await page.close();
  await until('it is told', () => events.some(({ type }) => type === 'closed'));
  expect(events.at(-1)).toMatchObject({ type: 'closed', reason: 'The page was closed' });
});

it('tells that its page died while it was still being opened', async () => {
  const { client, events } = make('profile', {
    onPage: (page) =>
      page.once('framenavigated', () => void page.goto('chrome://crash').catch(() => undefined)) && undefined,
  });
  const started = client.start().catch(() => undefined);
  await until('it is told', () => events.some(({ type }) => type === 'closed'));
  expect(await client.stop(2_000)).toBeTypeOf('boolean');
  await started;
});

it('does not answer while its page runs in circles, and is stopped in time all the same, leaving no process', async () => {
  const { client, page } = await open();
  void page.evaluate('for (;;) {}').catch(() => undefined);
  await expect(client.probe(500)).rejects.toThrow('does not answer');
  const startedAt = performance.now();
  await client.stop(500);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  expect(browsersIn(dir)).toEqual([]);
});

it('is stopped while it starts, and its profile is free at once', async () => {
  const { client } = make('profile');
  const started = client.start().catch(() => undefined);
  await new Promise((resolve) => setTimeout(resolve, 30));
  await client.stop(5_000);
  await started;
  expect(browsersIn(dir)).toEqual([]);
  await open();
});

it.each(['TIMEOUT', 'CONFLICT', 'TOS_BLOCK', 'SMB_TOS_BLOCK', 'PROXYBLOCK', 'DEPRECATED_VERSION', 'UNPAIRED'])(
  'tells the connection state %s',
  async (state) => {
    const { client, events, page } = await open();
    await page.evaluate(`require('WAWebSocketModel').Socket.set({ state: '${state}' })`);
    await until('it is told', () => connections(events).at(-1) === state);
    expect(await client.probe(1_000)).toBe(state);
  },
);

it.each([
  ['says so', [] as const],
  ['says nothing of it and cannot take it back', ['silent-conflict'] as const],
])('takes the link back from another browser with the same login, on a page that %s', async (_, drift) => {
  sandbox.setDrift([...drift]);
  const first = await open('first');
  await first.client.stop(5_000);
  await cp(join(dir, 'first'), join(dir, 'second'), { recursive: true });
  const here = await open('first');
  const there = await open('second');
  await until('the link is taken over', () => connections(here.events).at(-1) === 'CONFLICT');
  expect(await here.client.probe(1_000)).toBe('CONFLICT');
  await here.client.takeover();
  await until('it is back', async () => (await here.client.probe(1_000).catch(() => '')) === 'CONNECTED');
  await until('the other has lost it', () => connections(there.events).at(-1) === 'CONFLICT');
});

it('notices that another place took the link also where the stanza that says so passes elsewhere', async () => {
  sandbox.setDrift(['silent-conflict', 'hidden-stanzas']);
  const first = await open('first');
  await first.client.stop(5_000);
  await cp(join(dir, 'first'), join(dir, 'second'), { recursive: true });
  const here = await open('first');
  const there = await open('second');
  const tells = (client: WhatsAppClient, state: string) => async () =>
    (await client.probe(1_000).catch(() => '')) === state;
  await until('the link is taken over', tells(here.client, 'CONFLICT'));
  expect(connections(here.events)).not.toContain('CONFLICT');
  await here.client.takeover();
  await until('it is back', tells(here.client, 'CONNECTED'));
  await until('the other has lost it', tells(there.client, 'CONFLICT'));
});

it('does not take a line that stays down for one that is up, whatever the state of the page says', async () => {
  const { client, page } = await open();
  const set = (stream: string) => page.evaluate(`require('WAWebSocketModel').Socket.set({ stream: '${stream}' })`);
  expect(await client.probe(1_000)).toBe('CONNECTED');
  await set('DISCONNECTED');
  // It may be about to say so.
  expect(await client.probe(1_000)).toBe('CONNECTED');
  expect(await client.probe(1_000)).toBe('TIMEOUT');
  await set('CONNECTED');
  expect(await client.probe(1_000)).toBe('CONNECTED');
});

it('tells what the library throws where nobody listens, and the process lives', async () => {
  const { events, page } = await open();
  const unheard: unknown[] = [];
  const hear = (error: unknown) => unheard.push(error);
  process.on('unhandledRejection', hear);
  await page.exposeFunction('throwsAString', () => {
    // oxlint-disable-next-line typescript/only-throw-error -- as the library does
    throw 'ready timeout';
  });
  await page.evaluate('throwsAString()');
  await until('it is told', () => events.some(({ type }) => type === 'closed'));
  expect(events.at(-1)).toMatchObject({ type: 'closed', reason: 'ready timeout' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.off('unhandledRejection', hear);
  expect(unheard).toEqual([]);
});

it('measures the memory of the whole browser', async () => {
  const { client } = await open();
  const memory = await client.memory();
  expect(memory!.pssBytes).toBeGreaterThan(30 * 2 ** 20);
  expect(memory!.rssBytes).toBeGreaterThan(memory!.pssBytes);
});

it('shows the user agent it is given', async () => {
  const { page } = await open('profile', { userAgent: 'Mozilla/5.0 (X11; Linux x86_64) Front desk' });
  expect(await page.evaluate('navigator.userAgent')).toBe('Mozilla/5.0 (X11; Linux x86_64) Front desk');
});
