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
  /**
   * Goes silent as soon as a connection has asked these texts one after another. With `all` the last of them does not pass any
   * more, with `answers` the server still does it.
   */
  stallAt(texts: readonly string[], what: 'all' | 'answers'): void;
  /** True: of connections made from now on only the login passes; what they ask after it is lost for good. */
  loseAfterLogin(on: boolean): void;
  /** Lets everything pass that was held back, also from clients that have gone meanwhile. */
  resume(): void;
  /** How many connections to the server are open. */
  connections(): number;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startStallingProxy(target: { host: string; port: number }): Promise<StallingProxy> {
  const held: (() => void)[] = [];
  const sockets = new Set<Socket>();
  let stalled: 'all' | 'answers' | null = null;
  let losing = false;
  let trap: { texts: readonly string[]; what: 'all' | 'answers' } | null = null;
  let connections = 0;

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
    let asked = 0;
    connections += 1;
    upstream.once('close', () => (connections -= 1));
    client.on('data', (chunk) => {
      if (trap && chunk.includes(trap.texts[asked]!)) asked += 1;
      if (trap && asked === trap.texts.length) {
        stalled = trap.what;
        trap = null;
      }
      if (toPass > 0) pass('questions', () => upstream.write(chunk));
      toPass -= 1;
    });
    upstream.on('data', (chunk) => pass('answers', () => client.write(chunk)));
    client.once('end', () => pass('questions', () => upstream.end()));
    client.once('close', () => pass('questions', () => upstream.end()));
    upstream.once('close', () => pass('answers', () => client.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as { port: number }).port,
    stall: (what) => (stalled = what),
    stallAt: (texts, what) => (trap = { texts, what }),
    loseAfterLogin: (on) => (losing = on),
    resume() {
      stalled = null;
      for (const work of held.splice(0)) work();
    },
    connections: () => connections,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await sleep(0);
    },
  };
}
