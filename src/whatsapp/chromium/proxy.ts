import { createServer, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { dialSocks } from './socks.ts';

/** A browser's way through a proxy. */
export interface Proxy {
  chromiumArgs: string[];
  close(): Promise<void>;
}

const dialTimeoutMs = 30_000;

/**
 * Returns how a browser is to be started to go through `http://`, `https://` or `socks5://[user:password@]host:port`. Chromium knows no
 * credentials for SOCKS, asks for those of an HTTP proxy in a dialogue, and would show them on its command line; so where there are some,
 * it is sent to a relay of our own on loopback, which knows them.
 */
export async function openProxy(proxyUrl: string): Promise<Proxy> {
  const url = new URL(proxyUrl);
  if (!url.username && !url.password)
    return { chromiumArgs: [proxyServer(`${url.protocol}//${url.host}`)], close: async () => undefined };
  const open = new Set<Duplex>();
  const relay = createServer((_request, response) => response.writeHead(405).end());
  relay.on('connect', (request, client: Duplex, head: Buffer) => {
    open.add(client);
    client.on('error', () => client.destroy()).once('close', () => open.delete(client));
    dial(url, request.url ?? '').then(
      (upstream) => join(client, upstream, head),
      () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'),
    );
  });
  await new Promise<void>((resolve, reject) => {
    relay.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return {
    chromiumArgs: [proxyServer(`http://127.0.0.1:${(relay.address() as AddressInfo).port}`)],
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => relay.close(() => resolve()));
    },
  };
}

function proxyServer(address: string): string {
  return `--proxy-server=${address}`;
}

function join(client: Duplex, upstream: Duplex, head: Buffer): void {
  if (client.destroyed) return void upstream.destroy();
  client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
  if (head.length > 0) upstream.write(head);
  upstream.on('error', () => client.destroy()).once('close', () => client.destroy());
  client.once('close', () => upstream.destroy());
  client.pipe(upstream).pipe(client);
}

/** Opens a tunnel to `host:port` through the proxy. @throws Error when the proxy refuses or does not answer */
function dial(proxy: URL, target: string): Promise<Duplex> {
  const { hostname: host, port } = new URL(`tunnel://${target}`);
  const user = decodeURIComponent(proxy.username);
  const password = decodeURIComponent(proxy.password);
  if (proxy.protocol === 'socks5:')
    return dialSocks({ proxy, user, password, host, port: Number(port), timeoutMs: dialTimeoutMs });
  return new Promise((resolve, reject) => {
    const ask = proxy.protocol === 'https:' ? httpsRequest : httpRequest;
    const credentials = Buffer.from(`${user}:${password}`).toString('base64');
    ask({
      method: 'CONNECT',
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      path: target,
      headers: { Host: target, 'Proxy-Authorization': `Basic ${credentials}` },
      agent: false,
      timeout: dialTimeoutMs,
    })
      .once('connect', (response, socket) => {
        socket.setTimeout(0);
        if (response.statusCode === 200) return resolve(socket);
        socket.destroy();
        reject(new Error(`The proxy answered ${response.statusCode}`));
      })
      .once('response', (response) => {
        response.destroy();
        reject(new Error(`The proxy answered ${response.statusCode}`));
      })
      .once('timeout', function (this: { destroy(error: Error): void }) {
        this.destroy(new Error('The proxy does not answer'));
      })
      .once('error', reject)
      .end();
  });
}
