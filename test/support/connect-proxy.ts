import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** An HTTP proxy that opens tunnels (CONNECT), and writes down what it was asked for. */
export interface ConnectProxy {
  port: number;
  /** What was asked for, with the credentials: `erp.example:443 Basic …`. */
  asked: string[];
  /** What was opened: `erp.example:443`. */
  tunnels: string[];
  refused: number;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startConnectProxy({
  login,
  portOf = (target) => Number(target.split(':').at(-1)),
}: {
  /** `user:password` that it wants. */
  login?: string;
  /** The port of 127.0.0.1 where a target is found; null for what may not be reached. Its own port by default. */
  portOf?: (target: string) => number | null;
} = {}): Promise<ConnectProxy> {
  const wanted = login === undefined ? undefined : `Basic ${Buffer.from(login).toString('base64')}`;
  const [asked, tunnels]: [string[], string[]] = [[], []];
  const sockets = new Set<Duplex>();
  const server = createServer((_, response) => response.writeHead(405).end());
  let refused = 0;

  function hold(socket: Duplex): void {
    sockets.add(socket.on('error', () => socket.destroy()));
    socket.once('close', () => sockets.delete(socket));
  }

  server.on('connect', (request, client: Duplex, head: Buffer) => {
    hold(client);
    const target = request.url ?? '';
    const given = request.headers['proxy-authorization'];
    asked.push(`${target} ${given ?? ''}`.trim());
    const port = portOf(target);
    const isKnown = wanted === undefined || given === wanted;
    if (!isKnown || port === null) {
      refused += 1;
      const answer = isKnown
        ? '403 Forbidden'
        : '407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"';
      return void client.end(`HTTP/1.1 ${answer}\r\n\r\n`);
    }
    tunnels.push(target);
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    hold(upstream);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as AddressInfo).port,
    asked,
    tunnels,
    get refused() {
      return refused;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
