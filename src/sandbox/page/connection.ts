import type { SandboxPage } from './page.ts';

/** The line to the network: one WebSocket that carries requests, answers, stanzas and files. */
export function defineConnection(page: SandboxPage): void {
  const RETRY_MS = [100, 250, 500, 1000];
  const NUMBER_BYTES = 4;
  const handlers: Record<string, (frame: Record<string, unknown>) => unknown> = {};
  const open = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  let socket: WebSocket | undefined;
  let next = 1;
  let attempt = 0;
  let wanted = false;
  let online = false;
  let waiting: (() => void)[] = [];
  let pingTimer: ReturnType<typeof setTimeout> | undefined;
  let deadTimer: ReturnType<typeof setTimeout> | undefined;

  /** The line broke before the answer came; whether the request arrived is not known. */
  class LineBroken extends Error {}

  function settle(i: number): { resolve: (value: never) => void; reject: (error: Error) => void } | undefined {
    const call = open.get(i);
    open.delete(i);
    return call;
  }

  /** A network that swallows what it is given ends no line: without this the page would think itself online for ever. */
  function heard(line: WebSocket): void {
    clearTimeout(pingTimer);
    clearTimeout(deadTimer);
    pingTimer = setTimeout(
      () => {
        ask('ping').catch(() => undefined);
        giveUpLater(line);
      },
      page.config.pingAfterMs * (1 + Math.random()),
    );
  }

  function giveUpLater(line: WebSocket): void {
    clearTimeout(deadTimer);
    deadTimer = setTimeout(() => ended(line), page.config.deadAfterMs);
  }

  /** The line is of no use any more; what it still says is not heard, and its own end may take as long as the network is silent. */
  function ended(line: WebSocket, reason = ''): void {
    if (socket !== line) return;
    clearTimeout(pingTimer);
    clearTimeout(deadTimer);
    socket = undefined;
    online = false;
    line.close();
    const calls = [...open.values()];
    open.clear();
    for (const call of calls) call.reject(new LineBroken('The connection to WhatsApp broke'));
    handlers['closed']?.({ reason });
    if (!wanted) return;
    setTimeout(() => wanted && !socket && connect(), RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]);
    attempt += 1;
  }

  function receive(data: string | ArrayBuffer): void {
    if (typeof data !== 'string') {
      settle(new DataView(data).getUint32(0))?.resolve(data.slice(NUMBER_BYTES) as never);
      return;
    }
    const frame = JSON.parse(data) as { i?: number; op?: string; result?: unknown; error?: string };
    if (frame.i === undefined) {
      handlers[String(frame.op)]?.(frame);
      return;
    }
    const call = settle(frame.i);
    if (frame.error === undefined) call?.resolve(frame.result as never);
    else call?.reject(Object.assign(new Error(frame.error), frame.error === '404' ? { status: 404 } : {}));
  }

  function connect(): void {
    const line = new WebSocket(page.config.networkUrl);
    socket = line;
    line.binaryType = 'arraybuffer';
    giveUpLater(line);
    line.addEventListener('open', () => {
      if (socket !== line) return;
      attempt = 0;
      heard(line);
      handlers['opened']?.({});
    });
    line.addEventListener('message', (event) => {
      if (socket !== line) return;
      heard(line);
      receive(event.data as string | ArrayBuffer);
    });
    line.addEventListener('close', (event) => ended(line, event.reason));
  }

  function transmit<T>(frame: (i: number) => string | ArrayBuffer): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (socket?.readyState !== WebSocket.OPEN) {
        reject(new LineBroken('Not connected to WhatsApp'));
        return;
      }
      const i = next;
      next += 1;
      open.set(i, { resolve, reject });
      socket.send(frame(i));
    });
  }

  const ask = <T>(op: string, data: Record<string, unknown> = {}): Promise<T> =>
    transmit<T>((i) => JSON.stringify({ i, op, ...data }));

  /** Waits for the device to be online, and again after each broken line. */
  async function insist<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      if (!online) await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof LineBroken)) throw error;
      }
    }
  }

  page.network = {
    handlers,
    ask,
    tell(op, data = {}) {
      if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ op, ...data }));
    },
    start() {
      wanted = true;
      if (!socket) connect();
    },
    request: (op, data) => insist(() => ask(op, data)),
    upload: (bytes) =>
      insist(() =>
        transmit((i) => {
          const frame = new Uint8Array(NUMBER_BYTES + bytes.byteLength);
          new DataView(frame.buffer).setUint32(0, i);
          frame.set(new Uint8Array(bytes), NUMBER_BYTES);
          return frame.buffer;
        }),
      ),
    download: (directPath) => insist(() => ask('download', { directPath })),
    setOnline() {
      online = true;
      const resolvers = waiting;
      waiting = [];
      for (const resolve of resolvers) resolve();
    },
    reconnect() {
      attempt = 0;
      if (socket) socket.close();
      else if (wanted) connect();
    },
    stop() {
      wanted = false;
      socket?.close();
    },
  };
}
