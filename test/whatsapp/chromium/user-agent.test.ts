import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findBrowser } from '../../../src/whatsapp/chromium/find.ts';
import { sandboxPossible } from '../../../src/whatsapp/chromium/flags.ts';
import { createLauncher } from '../../../src/whatsapp/chromium/launch.ts';
import { plainUserAgent } from '../../../src/whatsapp/chromium/user-agent.ts';

describe('the user agent', () => {
  it('is that of a Chrome with a window, of the same version', () => {
    expect(plainUserAgent('Chromium 156.0.8078.79', 'linux')).toBe(
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36',
    );
    expect(plainUserAgent('Google Chrome for Testing 157.0.1.2', 'darwin')).toMatch(
      /Mac OS X 10_15_7.* Chrome\/157\.0\.0\.0/,
    );
  });

  it.each([
    ['a version', '', 'linux'],
    ['a system', 'Chromium 156.0.8078.79', 'aix'],
  ] as const)('is left to the browser without %s', (_, version, platform) => {
    expect(plainUserAgent(version, platform)).toBeNull();
  });
});

describe('in a browser', () => {
  let dir: string;
  let server: Server;
  let asked: Record<string, string>;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'wapbridge-agent-'));
    asked = {};
    server = createServer((request, response) => {
      asked[request.url!] = request.headers['user-agent']!;
      const type = request.url === '/' ? 'text/html' : 'text/javascript';
      response.writeHead(200, { 'content-type': type }).end(request.url === '/' ? '<p>page</p>' : '');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });

  it.each([
    [
      'its own',
      undefined,
      /^Mozilla\/5\.0 \(.+\) AppleWebKit\/537\.36 \(KHTML, like Gecko\) Chrome\/\d+\.0\.0\.0 Safari\/537\.36$/,
    ],
    ['that of the instance', 'Mozilla/5.0 (X11; Linux x86_64) Front desk', /Front desk$/],
  ])('is %s, also in what a service worker is fetched with', async (_, userAgent, expected) => {
    const launch = createLauncher({
      browser: findBrowser({ chromiumPath: process.env.CHROMIUM_PATH ?? null })!,
      sandboxPossible: sandboxPossible(),
      extraArgs: [],
    });
    const launched = await launch({
      instanceId: 'INST-01-0000001',
      profileDir: join(dir, 'profile'),
      ...(userAgent ? { userAgent } : {}),
    });
    try {
      const page = (await launched.browser.pages())[0]!;
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await page.evaluate('navigator.serviceWorker.register("/sw.js").then(() => undefined)');
      expect(asked).toMatchObject({ '/': expect.stringMatching(expected), '/sw.js': expect.stringMatching(expected) });
      expect(await launched.browser.userAgent()).toMatch(expected);
    } finally {
      await launched.close(5_000);
    }
  });
});
