import { randomBytes } from 'node:crypto';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import type { Session } from './exchange.ts';
import { SILENCE } from './operations.ts';
import type { Operations, PageRequest } from './operations.ts';

/** The loopback WebSocket that pages talk to. */
interface NetworkServer {
  /** Where a page connects: loopback, a random port and this run's secret. */
  readonly url: string;
  close(): Promise<void>;
}

/** A page's request is JSON with a number `i` (none: no answer wanted); an upload is 4 bytes of that number, then the file. */
const NUMBER_BYTES = 4;
const CLOSE_CODE = 4000;
const MAX_FRAME_BYTES = 200 * 1024 * 1024;

/** Listens on a random loopback port. `onClose` is told of every connection that ends. */
export async function listenForPages(options: {
  operations: Operations;
  onClose: (session: Session) => void;
}): Promise<NetworkServer> {
  const path = `/${randomBytes(24).toString('hex')}`;
  const http = createHttpServer((request, response) => {
    // The scripts of the page's worker, for whoever knows the secret.
    if (request.url !== path) response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': 'text/javascript', 'access-control-allow-origin': '*' }).end();
  });
  const sockets = new WebSocketServer({ server: http, path, maxPayload: MAX_FRAME_BYTES, perMessageDeflate: false });
  sockets.on('connection', (socket) => serve(socket, options));
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(0, '127.0.0.1', resolve);
  });
  const { port } = http.address() as AddressInfo;
  return {
    url: `ws://127.0.0.1:${port}${path}`,
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      http.closeAllConnections();
      await new Promise<void>((resolve) => http.close(() => resolve()));
    },
  };
}

function serve(
  socket: WebSocket,
  { operations, onClose }: { operations: Operations; onClose: (session: Session) => void },
): void {
  const session: Session = {
    push: (frame) => socket.send(JSON.stringify(frame)),
    close: (reason) => (reason === 'cut' ? socket.terminate() : socket.close(CLOSE_CODE, reason)),
  };
  const answer = (i: number | undefined, work: () => unknown): void => {
    try {
      const result = work();
      if (i === undefined || result === SILENCE) return;
      socket.send(Buffer.isBuffer(result) ? numbered(i, result) : JSON.stringify({ i, result }));
    } catch (error) {
      socket.send(JSON.stringify({ i, error: error instanceof Error ? error.message : String(error) }));
    }
  };
  socket.on('message', (data: RawData, isBinary: boolean) => {
    const bytes = data as Buffer;
    if (isBinary) {
      answer(bytes.readUInt32BE(0), () => operations.upload(session, bytes.subarray(NUMBER_BYTES)));
      return;
    }
    const request = JSON.parse(bytes.toString('utf8')) as PageRequest & { i?: number };
    answer(request.i, () =>
      request.op === 'download'
        ? operations.download(session, String(request['directPath']))
        : operations.perform(session, request),
    );
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => onClose(session));
}

function numbered(i: number, bytes: Buffer): Buffer {
  const head = Buffer.alloc(NUMBER_BYTES);
  head.writeUInt32BE(i);
  return Buffer.concat([head, bytes]);
}
