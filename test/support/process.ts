import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { until } from './clock.ts';
import { key, secret } from './gateway.ts';

/** A gateway in a process of its own, so that it can be killed. */
export interface GatewayProcess {
  url: string;
  pid: number;
  /** What it has written to its standard output and error. */
  output(): string;
  /** Calls a method of the WapBridge API; rejects when the connection breaks. */
  call(method: string, body: Record<string, unknown>): Promise<{ status: number; json: Record<string, unknown> }>;
  sandbox(path: string, body?: Record<string, unknown>): Promise<unknown>;
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

const root = join(import.meta.dirname, '..', '..');

/** Starts `dist/src/main.js` (built by `npm test`) with the sandbox and resolves when it answers. */
export async function spawnGateway(env: Record<string, string>): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [join(root, 'dist', 'src', 'main.js')], {
    env: { ...process.env, SANDBOX: 'true', BOOTSTRAP_API_KEY: key, BOOTSTRAP_API_SECRET: secret, RATE_LIMIT_PER_MINUTE: '1000000', WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8', LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-200_000)));
  child.stderr.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-200_000)));
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const url = `http://127.0.0.1:${env.PORT}`;

  await until(`the gateway answers\n${output}`, () => {
    if (child.exitCode !== null) throw new Error(`The gateway has ended:\n${output}`);
    return answers(`${url}/readyz`);
  }, 30_000);

  async function post(path: string, body: Record<string, unknown>): Promise<Response> {
    return fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `token ${key}:${secret}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
  }

  return {
    url,
    pid: child.pid!,
    output: () => output,
    async call(method, body) {
      const response = await post(`/api/method/${method}`, body);
      return { status: response.status, json: (await response.json()) as Record<string, unknown> };
    },
    async sandbox(path, body) {
      const response = body ? await post(`/sandbox/api/${path}`, body) : await fetch(`${url}/sandbox/api/${path}`);
      const json: unknown = await response.json();
      if (!response.ok) throw new Error(`${path}: ${JSON.stringify(json)}`);
      return json;
    },
    kill: (signal) => end(child, signal, exited),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals, exited: Promise<number | null>): Promise<number | null> {
  child.kill(signal);
  return exited;
}

async function answers(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
    (response) => response.ok,
    () => false,
  );
}

/** Returns a port that is free now. */
export function freePort(): Promise<string> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(String(port)));
    });
  });
}
