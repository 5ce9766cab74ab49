import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import { createOutbound, type Outbound, type OutboundOptions } from '../../src/outbound.ts';
import { startReceiver, type Receiver } from './receiver.ts';

/** A request that waits two seconds. */
export const post = { body: '{}', headers: {}, timeoutMs: 2000 };
export const loopback = { allowCidrs: ['127.0.0.0/8'] };

/** What tests of the guarded fetch share; what a test starts is ended after it. */
export function useOutboundBed() {
  /** Called after the test, the last first. */
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  /** Returns a guarded fetch that reaches public addresses only, and fails when DNS is asked. */
  function outbound(options: Partial<OutboundOptions> = {}): Outbound {
    const made = createOutbound({ allowCidrs: [], lookup: neverAsked, ...options });
    closers.push(() => made.close());
    return made;
  }

  async function receiver(): Promise<Receiver> {
    const made = await startReceiver();
    closers.push(() => made.close());
    return made;
  }

  /** Starts a server that speaks as it likes, and returns its port. */
  async function tcpServer(onSocket: (socket: Socket) => void): Promise<number> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      onSocket(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(
      () =>
        new Promise((resolve) => {
          for (const socket of sockets) socket.destroy();
          server.close(() => resolve());
        }),
    );
    return (server.address() as AddressInfo).port;
  }

  return { outbound, receiver, tcpServer, closers };
}

function neverAsked(): Promise<never> {
  throw new Error('DNS was asked');
}
