import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Pool } from 'undici';
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

/** The checkout: this file runs from `test/support`, or from `dist/test/support` in benchmarks. */
const root = import.meta.dirname.replace(/([/\\]dist)?[/\\]test[/\\]support$/, '');

/** Starts `dist/src/main.js` (built by `npm test`) with the sandbox and resolves when it answers. */
export async function spawnGateway(env: Record<string, string>): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [join(root, 'dist', 'src', 'main.js')], {
    env: {
      ...process.env,
      SANDBOX: 'true',
      BOOTSTRAP_API_KEY: key,
      BOOTSTRAP_API_SECRET: secret,
      RATE_LIMIT_PER_MINUTE: '1000000',
      START_STAGGER_MS: '0',
      WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
      LOG_LEVEL: 'info',
      ...env,
    },
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
  });

  // undici's own client costs a tenth of fetch: the benchmarks measure the gateway.
  const pool = new Pool(url, { connections: 16, headersTimeout: 30_000, bodyTimeout: 30_000 });

  async function request(
    method: 'GET' | 'POST',
    path: string,
    body?: Record<string, unknown>,
  ): Promise<{ status: number; json: Record<string, unknown> }> {
    const answer = await pool.request({
      method,
      path,
      headers: { 'Content-Type': 'application/json', Authorization: `token ${key}:${secret}` },
      body: body ? JSON.stringify(body) : null,
    });
    return { status: answer.statusCode, json: (await answer.body.json()) as Record<string, unknown> };
  }

  return {
    url,
    pid: child.pid!,
    output: () => output,
    call: (method, body) => request('POST', `/api/method/${method}`, body),
    async sandbox(path, body) {
      const { status, json } = await request(body ? 'POST' : 'GET', `/sandbox/api/${path}`, body);
      if (status >= 400) throw new Error(`${path}: ${JSON.stringify(json)}`);
      return json;
    },
    kill: (signal) => end(child, signal, exited),
  };
}

async function end(
  child: ChildProcess,
  signal: NodeJS.Signals,
  exited: Promise<number | null>,
): Promise<number | null> {
  child.kill(signal);
  return exited;
}

async function answers(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(1_000) }).then(
    (response) => response.ok,
    () => false,
  );
}

/** Returns a port that is free now, and that no system gives to who asks for any: nobody takes it before it is used. */
export async function freePort(): Promise<string> {
  const port = 11_000 + Math.floor(Math.random() * 20_000);
  return (await isFree(port)) ? String(port) : freePort();
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
