import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A way to a server that can go silent, as a server that hangs or a network that swallows packets does. */
export interface StallingProxy {
  port: number;
  /**
   * From now on nothing passes: `all`, or only the `answers`, so that the server does what it is asked and nobody hears of it.
   * Connections stay open, and new ones are accepted, as the kernel does for a stopped process.
   */
  stall(what: 'all' | 'answers'): void;
  /** True: of connections made from now on only the login passes; what they ask after it is lost for good. */
  loseAfterLogin(on: boolean): void;
  /** Lets everything pass that was held back, also from clients that have gone meanwhile. */
  resume(): void;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startStallingProxy(target: { host: string; port: number }): Promise<StallingProxy> {
  const held: (() => void)[] = [];
  const sockets = new Set<Socket>();
  let stalled: 'all' | 'answers' | null = null;
  let losing = false;

  function pass(direction: 'questions' | 'answers', work: () => void): void {
    const isHeld = stalled === 'all' || (stalled === 'answers' && direction === 'answers');
    if (isHeld) held.push(work);
    else work();
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ ...target, allowHalfOpen: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.once('close', () => sockets.delete(socket));
    }
    let toPass = losing ? 1 : Infinity;
    client.on('data', (chunk) => {
      if (toPass > 0) pass('questions', () => upstream.write(chunk));
      toPass -= 1;
    });
    upstream.on('data', (chunk) => pass('answers', () => client.write(chunk)));
    client.once('close', () => pass('questions', () => upstream.end()));
    upstream.once('close', () => pass('answers', () => client.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as { port: number }).port,
    stall: (what) => (stalled = what),
    loseAfterLogin: (on) => (losing = on),
    resume() {
      stalled = null;
      for (const work of held.splice(0)) work();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await sleep(0);
    },
  };
}
