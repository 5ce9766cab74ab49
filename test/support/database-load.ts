import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './clock.ts';
import { startMariadb } from './mariadb.ts';
import { freePort, spawnGateway } from './process.ts';
import { type Receiver, startReceiver } from './receiver.ts';

const own = '255757000001';
const friend = '255757123456';
const file = { data: Buffer.from('%PDF-1.4 a').toString('base64'), mime_type: 'application/pdf', filename: 'a.pdf' };

/** A gateway with a linked instance on a MariaDB of its own, under load until `end`. */
interface LoadBed {
  mariadb: Awaited<ReturnType<typeof startMariadb>>;
  gateway: Awaited<ReturnType<typeof spawnGateway>>;
  instanceId: string;
  call(method: string, body?: Record<string, unknown>): ReturnType<LoadBed['gateway']['call']>;
  /** Texts of sends that were answered 200. */
  accepted: Set<string>;
  /** Texts of the others, with their answers. */
  refused: Map<string, { status: number; code: unknown }>;
  /** Texts that the friend wrote. */
  written: Set<string>;
  /** What came to the friend, and what the receiver was told of: text → ids. */
  arrivals: Map<string, Set<string>>;
  told: Map<string, Set<string>>;
  longestMs(): number;
  /** Sends by both methods, and lets the friend write, a third of it files. */
  begin(): void;
  /** Begins no more, and waits for what is on its way. */
  end(): Promise<void>;
  /** Fills `arrivals` and `told`; true when nothing accepted or written is missing there. */
  gather(): Promise<boolean>;
  /** What is missing there by now. */
  missing(): { lost: string[]; untold: string[] };
}

/** Runs the test on a bed that is taken down after it; a failure shows the end of the gateway's log, without requests. */
export async function withDatabaseLoad(env: NodeJS.ProcessEnv, test: (bed: LoadBed) => Promise<void>): Promise<void> {
  const mariadb = await startMariadb();
  const receiver = await startReceiver();
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-load-'));
  const gateway = await spawnGateway({
    PORT: await freePort(),
    DATA_DIR: dataDir,
    DATABASE_URL: mariadb.url,
    ...env,
  });
  const life = { isOver: false };
  try {
    await test(await prepare({ mariadb, gateway, receiver, life }));
  } catch (error) {
    throw new Error(`${String(error)}\n${logOf(gateway.output())}`, { cause: error });
  } finally {
    life.isOver = true;
    mariadb.signal('SIGCONT');
    await gateway.kill('SIGTERM');
    await receiver.close();
    await mariadb.remove();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function prepare(
  parts: Pick<LoadBed, 'mariadb' | 'gateway'> & { receiver: Receiver; life: { isOver: boolean } },
): Promise<LoadBed> {
  const { mariadb, gateway, receiver, life } = parts;
  const call: LoadBed['call'] = (method, body = {}) => gateway.call(`wap_bridge.api.${method}`, body);
  const instanceId = (await call('instances.create_instance')).json.instance_id as string;
  await call('instances.get_qr', { instance_id: instanceId });
  await gateway.sandbox('link', { instance_id: instanceId, phone_number: own });
  await call('settings.set_webhook', { url: receiver.url });
  const isReady = async () =>
    (await call('instances.instance_status', { instance_id: instanceId })).json.status === 'ready';
  await until('it is ready', isReady);

  const [accepted, written] = [new Set<string>(), new Set<string>()];
  const refused: LoadBed['refused'] = new Map();
  const [arrivals, told] = [new Map<string, Set<string>>(), new Map<string, Set<string>>()];
  let loads: Promise<void>[] = [];
  let longestMs = 0;
  let serial = 0;

  async function sendOn(method: string): Promise<void> {
    while (!life.isOver) {
      const text = `message ${(serial += 1)}`;
      const startedAt = performance.now();
      const { status, json } = await call(`whatsapp.${method}`, {
        instance_id: instanceId,
        to_number: friend,
        message: text,
      });
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      if (status === 200) accepted.add(text);
      else refused.set(text, { status, code: json.code });
      await sleep(10);
    }
  }

  async function writeOn(): Promise<void> {
    while (!life.isOver) {
      const text = `answer ${(serial += 1)}`;
      const what = serial % 3 === 0 ? { media: { ...file, caption: text } } : { text };
      // The control of the sandbox asks the database for the number: without it the friend has not written.
      const sent = await gateway
        .sandbox('receive', { instance_id: instanceId, from: friend, ...what })
        .catch(() => null);
      if (sent) written.add(text);
      await sleep(60);
    }
  }

  const add = (map: Map<string, Set<string>>, name: string, id: string) =>
    map.set(name, (map.get(name) ?? new Set()).add(id));
  const missing = () => ({
    lost: [...accepted].filter((text) => !arrivals.has(text)),
    untold: [...written].filter((text) => !told.has(text)),
  });

  return {
    mariadb,
    gateway,
    instanceId,
    call,
    accepted,
    refused,
    written,
    arrivals,
    told,
    longestMs: () => longestMs,
    missing,

    begin() {
      loads = [sendOn('send_api_message'), sendOn('erpnext_notification_gateway'), writeOn()];
    },

    async end() {
      life.isOver = true;
      await Promise.all(loads);
    },

    async gather() {
      const { messages } = (await gateway.sandbox(`messages?instance_id=${instanceId}`)) as {
        messages: { id: string; from: string; text?: string }[];
      };
      for (const { id, from, text } of messages) if (text && from.startsWith(own)) add(arrivals, text, id);
      for (const { body, headers } of receiver.requests)
        add(told, JSON.parse(body).message.body as string, String(headers['webhook-id']));
      const { lost, untold } = missing();
      return lost.length + untold.length === 0;
    },
  };
}

function logOf(output: string): string {
  const lines = output.split('\n').filter((line) => !line.includes('"msg":"request"'));
  return lines.slice(-40).join('\n');
}
