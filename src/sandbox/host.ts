import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createCertificate } from './certificate.ts';

/** A loopback stand-in for the host web.whatsapp.com. */
interface PageHost {
  /** Chromium arguments that send web.whatsapp.com to it and every other name nowhere. */
  readonly chromiumArgs: string[];
  close(): Promise<void>;
}

const HOST = 'web.whatsapp.com';

/** As WhatsApp Web's own: it listens, and leaves navigations to the network (WAWebSw). */
const SERVICE_WORKER = `
  self.addEventListener('install', () => self.skipWaiting());
  self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
  self.addEventListener('fetch', (event) => {
    if (event.request.url.includes('/mms/sticker/')) event.respondWith(fetch(event.request));
  });
`;

/** As WhatsApp Web's own: it has its scripts from another host, and says when they are there (WebWorkerV4Resource). */
const WORKER = `
  import(new URL(self.location).searchParams.get('scripts')).then(() => self.postMessage({ type: 'ww-init-complete' }));
`;

/** What is at web.whatsapp.com beside the page. */
const SCRIPTS: Record<string, string> = { '/sw.js': SERVICE_WORKER, '/worker.js': WORKER };

/**
 * Serves the page for every address of web.whatsapp.com but the first. The library answers `https://web.whatsapp.com/` itself;
 * after a logout the page goes to `/?post_logout=1`, which must come from here and never from the real WhatsApp.
 */
export async function hostPage(html: () => string): Promise<PageHost> {
  const { key, cert, spkiHash } = createCertificate(HOST);
  const server = createServer({ key, cert }, (request, response) => {
    const { pathname } = new URL(request.url ?? '/', `https://${HOST}`);
    const script = SCRIPTS[pathname];
    if (script) response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
    else if (pathname !== '/') response.writeHead(404).end();
    else
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(html());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    chromiumArgs: [
      `--host-resolver-rules=MAP ${HOST}:443 127.0.0.1:${port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
      `--ignore-certificate-errors-spki-list=${spkiHash}`,
      // The page lives on a public origin and its network on loopback; Chromium asks a person before it allows that.
      '--disable-features=LocalNetworkAccessChecks',
    ],
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
