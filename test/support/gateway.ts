import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import type { SupervisionLimits } from '../../src/core/supervisor/limits.ts';
import { accountCaller } from '../../src/model/token.ts';
import { assertDescribed } from './answers.ts';
import { until } from './clock.ts';

/** A gateway in this process, with the sandbox, in a data folder of its own. */
export interface TestGateway {
  app: App;
  dataDir: string;
  /** `key:secret` of a full token. */
  token: string;
  /** Calls a method of the WapBridge API; the answer's JSON with its status. */
  call(method: string, body?: Record<string, unknown>, headers?: Record<string, string>): Promise<Answer>;
  /** Makes an instance, scans its code with the phone and waits until it is ready. */
  link(phone: string): Promise<string>;
  waitUntilReady(instanceId: string): Promise<void>;
  /** Ends the gateway and starts another on the same data. */
  restart(): Promise<void>;
  /** Ends the gateway and removes its data folder. */
  stop(): Promise<void>;
}

/** What the gateway answered. */
export interface Answer {
  status: number;
  headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers freely
  json: any;
}

export const key = 'test-key';
export const secret = 'test-secret-0123456789';

/** What else a test may want of its gateway. */
export interface GatewayOptions {
  /** Takes its log lines. */
  logTo?: (line: string) => void;
  /** Its patience with browsers. */
  supervision?: Partial<SupervisionLimits>;
  /** How long its end may take. */
  closeMs?: number;
}

/** Starts a gateway on this database; `env` adds to its configuration. */
export async function startGateway(
  databaseUrl: string,
  env: Record<string, string> = {},
  { logTo, supervision = {}, closeMs }: GatewayOptions = {},
): Promise<TestGateway> {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-gw-'));
  const config = readConfig({
    PORT: '0',
    DATA_DIR: dataDir,
    DATABASE_URL: databaseUrl,
    SANDBOX: 'true',
    BOOTSTRAP_API_KEY: key,
    BOOTSTRAP_API_SECRET: secret,
    WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
    RATE_LIMIT_PER_MINUTE: '1000000',
    START_STAGGER_MS: '0',
    LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
    CHROMIUM_PATH: process.env.CHROMIUM_PATH ?? '',
    ...env,
  });
  const log = createLog(config.logLevel, logTo && { write: logTo });
  const open = () => createApp({ config, supervision, log, ...(closeMs === undefined ? {} : { closeMs }) });

  const gateway: TestGateway = {
    app: await open(),
    dataDir,
    token: `${key}:${secret}`,

    async call(method, body, headers = {}) {
      const response = await fetch(`${gateway.app.url}/api/method/${method}`, {
        method: 'POST',
        headers: { Authorization: `token ${gateway.token}`, 'Content-Type': 'application/json', ...headers },
        body: JSON.stringify(body ?? {}),
      });
      const text = await response.text();
      const json = text ? JSON.parse(text) : null;
      assertDescribed(`/api/method/${method}`, { status: response.status, body: json });
      return { status: response.status, headers: response.headers, json };
    },

    async link(phone) {
      const created = await gateway.call('wap_bridge.api.instances.create_instance', {});
      const instanceId = created.json.instance_id as string;
      const { json } = await gateway.call('wap_bridge.api.instances.get_qr', { instance_id: instanceId });
      await gateway.app.sandbox!.network.link(json.qr, { phone, name: `Shop ${phone}` });
      await gateway.waitUntilReady(instanceId);
      return instanceId;
    },

    async waitUntilReady(instanceId) {
      const caller = accountCaller((await gateway.app.core.accounts.first()).id);
      await until(
        `${instanceId} is ready`,
        async () => (await gateway.app.core.instances.get(caller, instanceId)).state === 'ready',
      );
    },

    async restart() {
      await gateway.app.close();
      gateway.app = await open();
    },

    async stop() {
      await gateway.app.close();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  return gateway;
}
