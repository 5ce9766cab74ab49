import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSandbox, type Sandbox } from '../../src/sandbox/sandbox.ts';
import { findBrowser } from '../../src/whatsapp/chromium/find.ts';
import { sandboxPossible } from '../../src/whatsapp/chromium/flags.ts';
import { createLauncher } from '../../src/whatsapp/chromium/launch.ts';
import { openProxy } from '../../src/whatsapp/chromium/proxy.ts';
import type { ClientEvent, WhatsAppClient } from '../../src/whatsapp/client.ts';
import { createWebjsFactory } from '../../src/whatsapp/webjs/client.ts';
import type { WebPage } from '../../src/whatsapp/webjs/library.ts';
import { until } from '../support/clock.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';

/** A proxy that wants `me:hush` and writes down what it opened. */
interface TestProxy {
  port: number;
  tunnels: string[];
  refused: number;
  close(): Promise<void>;
}

const user = 'me';
const password = 'hu:sh@1';

/** A proxy over HTTP, as the one over SOCKS below. */
const startHttpProxy = (): Promise<TestProxy> => startConnectProxy({ login: `${user}:${password}` });

let dir: string;
let sandbox: Sandbox;
let proxy: TestProxy | null;
let client: WhatsAppClient | null;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-proxy-'));
  sandbox = await createSandbox({ dir: join(dir, 'sandbox'), syncDelayMs: 0 });
  proxy = null;
  client = null;
});

afterEach(async () => {
  await client?.stop(5_000);
  await proxy?.close();
  await sandbox.close();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

function start(proxyUrl: string, web: WebPage = sandbox.web): { started: Promise<void>; events: ClientEvent[] } {
  const events: ClientEvent[] = [];
  const launch = createLauncher({
    browser: findBrowser({ chromiumPath: process.env.CHROMIUM_PATH ?? null })!,
    sandboxPossible: sandboxPossible(),
    // Chromium never sends loopback through a proxy unless it is told to; the stand-in's network is there.
    extraArgs: [...sandbox.web.chromiumArgs, '--proxy-bypass-list=<-loopback>'],
  });
  client = createWebjsFactory({ launch, web: async () => web })({
    instanceId: 'INST-01-0000001',
    profileDir: join(dir, 'profile'),
    proxyUrl,
    onEvent(event) {
      events.push(event);
      if (event.type === 'qr') void sandbox.network.link(event.code, { phone: '255757000001' });
    },
  });
  return { started: client.start(), events };
}

const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;

describe.each([
  ['http', startHttpProxy],
  ['socks5', startSocksProxy],
])('a %s proxy with a password', (scheme, startProxy) => {
  it('carries the connection of an instance', async () => {
    proxy = await startProxy();
    const { started, events } = start(`${scheme}://${login}@127.0.0.1:${proxy.port}`);
    await started;
    await until('it is ready', () => events.some(({ type }) => type === 'ready'));
    expect(proxy.tunnels.length).toBeGreaterThan(0);
    expect(proxy.tunnels.every((target) => target.startsWith('127.0.0.1:'))).toBe(true);
  });

  it('lets nothing through, directly either, when the password is wrong', async () => {
    proxy = await startProxy();
    const { started, events } = start(`${scheme}://${user}:wrong@127.0.0.1:${proxy.port}`);
    started.catch(() => undefined);
    await until('it is refused', () => proxy!.refused > 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(proxy.tunnels).toEqual([]);
    expect(events.filter(({ type }) => type !== 'connection')).toEqual([]);
  });
});

it('says that the proxy does not answer', async () => {
  const gone = await startHttpProxy();
  await gone.close();
  const live: WebPage = { version: null, cacheDir: null };
  await expect(start(`http://127.0.0.1:${gone.port}`, live).started).rejects.toMatchObject({
    code: 'proxy_unreachable',
    message: expect.stringMatching(
      /^The proxy of this instance does not answer.* \(net::ERR_PROXY_CONNECTION_FAILED at/,
    ),
  });
  await client!.stop(5_000);
  await expect(start(`socks5://${login}@127.0.0.1:${gone.port}`, live).started).rejects.toMatchObject({
    code: 'proxy_unreachable',
  });
});

it('hands a proxy without password to the browser itself, and shows no password on a command line', async () => {
  const plain = await openProxy('socks5://proxy.example.com:1080');
  expect(plain.chromiumArgs).toEqual(['--proxy-server=socks5://proxy.example.com:1080']);
  const relayed = await openProxy(`http://${login}@proxy.example.com:3128`);
  expect(relayed.chromiumArgs[0]).toMatch(/^--proxy-server=http:\/\/127\.0\.0\.1:\d+$/);
  await relayed.close();
});

/** As RFC 1928 and RFC 1929 have it, for names and IPv4 addresses. */
async function startSocksProxy(): Promise<TestProxy> {
  const open = new Set<Socket>();
  const state = { tunnels: [] as string[], refused: 0 };
  const server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('data', () => {
      socket.write(Buffer.from([5, 2]));
      socket.once('data', (auth) => {
        const given = auth.subarray(2, 2 + auth[1]!).toString();
        const secret = auth.subarray(3 + auth[1]!).toString();
        const isRight = given === user && secret === password;
        socket.write(Buffer.from([1, isRight ? 0 : 1]));
        if (!isRight) {
          state.refused += 1;
          return void socket.end();
        }
        socket.once('data', (ask) => {
          const host = ask[3] === 3 ? ask.subarray(5, 5 + ask[4]!).toString() : ask.subarray(4, 8).join('.');
          const port = ask.readUInt16BE(ask.length - 2);
          state.tunnels.push(`${host}:${port}`);
          const upstream = connect(port, '127.0.0.1', () => {
            socket.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]));
            socket.pipe(upstream).pipe(socket);
          });
          upstream.on('error', () => upstream.destroy());
        });
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    tunnels: state.tunnels,
    get refused() {
      return state.refused;
    },
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
