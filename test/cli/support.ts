import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { runCli } from '../../src/cli/cli.ts';
import { readConfig } from '../../src/config.ts';
import type { Config } from '../../src/settings.ts';

/** Runs the command line in this process on an environment and returns what it wrote. */
export async function cli(
  words: string[],
  env: Record<string, string>,
  options: { fetch?: typeof fetch; isTerminal?: boolean; lineWidth?: number } = {},
) {
  const printed: string[] = [];
  const warned: string[] = [];
  const status = await runCli(words, {
    config: (): Config => readConfig(env),
    clock: { now: Date.now, sleep: () => new Promise((resolve) => setTimeout(resolve, 1)) },
    fetch: options.fetch ?? fetch,
    print: (text) => printed.push(text),
    warn: (text) => warned.push(text),
    isTerminal: options.isTerminal ?? false,
    lineWidth: options.lineWidth ?? Infinity,
    signal: new AbortController().signal,
  });
  return { status, out: printed.join('\n'), err: warned.join('\n') };
}

/** One call that the stand-in gateway got. */
export interface GatewayCall {
  method: string;
  params: Record<string, unknown>;
  authorization: string | undefined;
}

type Handler = (call: GatewayCall) => { status?: number; body: object };

/** A gateway's HTTP side, answering RPC calls by `handle`; the command line only ever sees this side of it. */
export async function startGatewayStub(handle: Handler) {
  const calls: GatewayCall[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const text = await readBody(request);
      const method = /^\/api\/method\/wap_bridge\.api\.(.+)$/.exec(request.url ?? '')?.[1];
      const call =
        method === undefined
          ? null
          : { method, params: JSON.parse(text || '{}'), authorization: request.headers.authorization };
      if (call) calls.push(call);
      const { status = 200, body } = call ? handle(call) : { body: { status: 'ok' } };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    calls,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
