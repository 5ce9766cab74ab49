import { type Socket, connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HttpServer, createHttpServer } from '../../src/http/server.ts';
import { until } from '../support/clock.ts';

const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const kib = 1024;

let http: HttpServer;
let port: number;
let connections: Socket[];
beforeEach(async () => {
  connections = [];
  http = createHttpServer(
    (request, response) => {
      if (request.url === '/large') return void response.end(Buffer.alloc(32 * kib * kib));
      request.resume().on('end', () => response.end('done'));
    },
    {
      headersTimeoutMs: 400,
      requestTimeoutMs: 1_000,
      idleTimeoutMs: 1_500,
      keepAliveTimeoutMs: 300,
      checkIntervalMs: 100,
    },
  );
  port = await http.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  for (const socket of connections) socket.destroy();
  await http.close(0);
});

/** Opens a connection; tells what came back and how long the server kept it. */
function open(first: string, options: { reads?: boolean } = {}) {
  const socket = connect(port, '127.0.0.1');
  connections.push(socket);
  const openedAt = performance.now();
  let text = '';
  if (options.reads === false) socket.pause();
  else socket.on('data', (chunk) => (text += chunk.toString('latin1').slice(0, 4 * kib)));
  const ended = new Promise<{ text: string; afterMs: number }>((resolve) => {
    const done = () => resolve({ text, afterMs: performance.now() - openedAt });
    socket.on('close', done).on('error', () => undefined);
    socket.on('end', () => socket.end());
  });
  socket.write(first);
  /** Goes on writing a little at a time, as slowloris does. */
  const drip = (piece: string, everyMs: number) => {
    const timer = setInterval(() => (socket.writable ? socket.write(piece) : clearInterval(timer)), everyMs);
    socket.once('close', () => clearInterval(timer));
  };
  return { socket, ended, drip, text: () => text };
}

describe('slow clients', () => {
  it('that drip their headers are answered 408 and gone', async () => {
    const { ended, drip } = open('GET / HTTP/1.1\r\nHost: a\r\n');
    drip('X-A: b\r\n', 50);
    const { text, afterMs } = await ended;
    expect(text).toMatch(/^HTTP\/1\.1 408 .*nosniff.*"code":"timeout"/s);
    expect(afterMs).toBeGreaterThan(350);
  });

  it('that connect and say nothing are gone', async () => {
    await open('').ended;
  });

  it('that drip their body are answered 408 and gone, however often a byte comes', async () => {
    const { ended, drip } = open('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n');
    drip('x', 50);
    const { text, afterMs } = await ended;
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(afterMs).toBeGreaterThan(900);
  });

  it('that drip the chunks of a body are gone too', async () => {
    const { ended, drip } = open('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    drip('1\r\nx\r\n', 50);
    expect((await ended).text).toMatch(/^HTTP\/1\.1 408 /);
  });

  it('that keep a connection without using it are closed, and reused ones are not', async () => {
    const { socket, ended, text } = open('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until('the first is answered', () => text().includes('200 OK'));
    await tick(150);
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until('the second is answered', () => text().match(/200 OK/g)?.length === 2);
    // Node adds a second to what it tells the client, so that a request under way is not cut.
    await ended;
  });

  it('that do not take their answer are cut', async () => {
    open('GET /large HTTP/1.1\r\nHost: a\r\n\r\n', { reads: false });
    await until('it is answered', async () => (await connectionsOf(http)) === 1);
    await until('it is cut', async () => (await connectionsOf(http)) === 0);
  });

  it('in a crowd of 200 do not keep others from being served', async () => {
    const crowd = 200;
    // Nobody is cut before the other is served.
    Object.assign(http.server, { headersTimeout: 60_000, requestTimeout: 60_000 });
    for (let index = 0; index < crowd; index++) open('GET / HTTP/1.1\r\nHost: a\r\nX-').drip('a', 100);
    await until('all are there', async () => (await connectionsOf(http)) === crowd);
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('done');
    expect(await connectionsOf(http)).toBeGreaterThanOrEqual(crowd);
    Object.assign(http.server, { headersTimeout: 400, requestTimeout: 1_000 });
    await until('they are gone', async () => (await connectionsOf(http)) < 5);
  });
});

function connectionsOf({ server }: HttpServer): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

it('waits for headers, bodies and readers in the product no longer than two and three minutes', () => {
  const { server } = createHttpServer(() => undefined);
  expect(server).toMatchObject({
    headersTimeout: 20_000,
    requestTimeout: 120_000,
    timeout: 180_000,
    keepAliveTimeout: 65_000,
  });
});
