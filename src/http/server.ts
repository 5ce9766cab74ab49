import { type IncomingMessage, type RequestListener, type Server, createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A listening HTTP server that can be ended in good order. */
export interface HttpServer {
  server: Server;
  /** Resolves with the port when it listens; `port` 0 takes a free one. */
  listen(address: { host: string; port: number }): Promise<number>;
  /** Takes no new connections, lets running requests finish for `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

/** How long clients may take; milliseconds. */
export interface ServerTimeouts {
  /** For the request line and headers. */
  headersTimeoutMs: number;
  /** For the whole request with its body. */
  requestTimeoutMs: number;
  /** Without a byte in either direction, while a request is read, answered, or its answer is taken. */
  idleTimeoutMs: number;
  /** Between two requests on one connection: longer than the usual 60 s of proxies, so that the proxy closes first. */
  keepAliveTimeoutMs: number;
  /** How often the first two are looked at. */
  checkIntervalMs: number;
}

const defaults: ServerTimeouts = {
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 120_000,
  // Longer than any answer takes: a logout waits up to a minute for WhatsApp.
  idleTimeoutMs: 180_000,
  keepAliveTimeoutMs: 65_000,
  checkIntervalMs: 5_000,
};

/** Room for the query of a POST that carries all its parameters there, as frappe-client does (frappe-wire, checklist 8). */
const maxHeaderSizeBytes = 64 * 1024;

/** Returns a server for the listener (`koa.callback()`), with limits that hold against slow and oversized requests. */
export function createHttpServer(listener: RequestListener, timeouts: Partial<ServerTimeouts> = {}): HttpServer {
  const limits = { ...defaults, ...timeouts };
  let closing = false;
  const server = createServer({
    maxHeaderSize: maxHeaderSizeBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.checkIntervalMs,
  });
  // Node ends such a connection by itself: whoever takes no answer holds a socket and perhaps a file.
  server.setTimeout(limits.idleTimeoutMs);
  const handle: RequestListener = (request, response) => {
    if (closing) response.setHeader('Connection', 'close');
    listener(request, response);
  };
  server.on('request', handle);
  // With this listener Node leaves `100 Continue` to the body reader: refused requests are never uploaded.
  server.on('checkContinue', handle);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuseUnreadable(error, socket));

  function listen(address: { host: string; port: number }): Promise<number> {
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(address.port, address.host, () => {
        server.off('error', reject);
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  async function close(graceMs: number): Promise<void> {
    closing = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    // Connections that become idle later are closed by their `Connection: close`; this catches those that answered just now.
    const sweep = setInterval(() => server.closeIdleConnections(), 100);
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    await closed;
    clearInterval(sweep);
    clearTimeout(cut);
  }

  return { server, listen, close };
}

const unreadable: Record<string, { status: string; code: string; message: string }> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    code: 'too_large',
    message: `The request line and headers are larger than ${maxHeaderSizeBytes} bytes`,
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: '408 Request Timeout', code: 'timeout', message: 'The request took too long' },
};

/** Answers what is not HTTP, or too slow: no request exists then, hence no dialect either. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket & { _httpMessage?: IncomingMessage }): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, code, message } = unreadable[error.code ?? ''] ?? {
    status: '400 Bad Request',
    code: 'malformed_request',
    message: 'The request is not valid HTTP',
  };
  const body = JSON.stringify({ message, error: message, code });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
