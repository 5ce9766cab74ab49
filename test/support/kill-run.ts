import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './clock.ts';
import { freePort, type GatewayProcess, spawnGateway } from './process.ts';
import { startReceiver } from './receiver.ts';

/** What came of killing the gateway again and again under load. */
export interface KillReport {
  kills: number;
  /** Sends that were answered with 200 and "ok": true. */
  accepted: number;
  /** Accepted, but never arrived at the other phone. */
  lost: string[];
  /** Arrived under more than one message id. */
  doubled: string[];
  /** Messages that the other phone wrote. */
  received: number;
  /** Written, but no webhook ever told. */
  untold: string[];
  /** Told as two different events (repeats of one event carry the same webhook-id and are fine). */
  toldTwice: string[];
  /** From the kill to ready again, ms, sorted. */
  readyAfterMs: number[];
}

const own = '255757000001';
const friend = '255757123456';
const senders = 4;
const settleMs = 60_000;

/** Kills (SIGKILL) a gateway under load at random moments; at the end everything accepted must have arrived exactly once. */
export async function runKills({ kills, databaseUrl }: { kills: number; databaseUrl: string }): Promise<KillReport> {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-kill-'));
  const receiver = await startReceiver();
  const env = { PORT: await freePort(), DATA_DIR: dataDir, DATABASE_URL: databaseUrl };
  const accepted = new Set<string>();
  const written = new Set<string>();
  const readyAfterMs: number[] = [];
  let gateway = await spawnGateway(env);
  let serial = 0;
  const load = { stopped: false };

  const instanceId = (await gateway.call('wap_bridge.api.instances.create_instance', {})).json.instance_id as string;
  await gateway.call('wap_bridge.api.instances.get_qr', { instance_id: instanceId });
  await gateway.sandbox('link', { instance_id: instanceId, phone_number: own });
  await gateway.call('wap_bridge.api.settings.set_webhook', { url: receiver.url });
  await ready(gateway);

  async function ready(process: GatewayProcess): Promise<void> {
    const state = async () =>
      (await process.call('wap_bridge.api.instances.instance_status', { instance_id: instanceId })).json.status;
    await until(
      `${instanceId} is ready\n${process.output().slice(-3000)}`,
      async () => (await state()) === 'ready',
      60_000,
    );
  }

  /** One after another, a text by the API, by the SMS gateway, or one from the other phone. */
  async function write(sender: number): Promise<void> {
    const methods = ['send_api_message', 'erpnext_notification_gateway'];
    while (!load.stopped) {
      serial += 1;
      const text = `message ${serial}`;
      try {
        if (serial % 5 === 0) {
          await gateway.sandbox('receive', { instance_id: instanceId, from: friend, text });
          written.add(text);
        } else {
          const method = `wap_bridge.api.whatsapp.${methods[(serial + sender) % 2]}`;
          const { status, json } = await gateway.call(method, {
            instance_id: instanceId,
            from_number: own,
            to_number: friend,
            message: text,
          });
          if (status === 200 && json.ok === true) accepted.add(text);
        }
      } catch {
        // The gateway is gone or not back yet: this one was never accepted.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  const loads = Array.from({ length: senders }, (_, sender) => write(sender));
  try {
    for (let kill = 0; kill < kills; kill += 1) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 700));
      const killedAt = Date.now();
      await gateway.kill('SIGKILL');
      gateway = await spawnGateway(env);
      await ready(gateway);
      readyAfterMs.push(Date.now() - killedAt);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    load.stopped = true;
    await Promise.all(loads);

    const arrivals = new Map<string, Set<string>>();
    const told = new Map<string, Set<string>>();
    const missing = () => [...accepted].filter((text) => !arrivals.has(text));
    const untold = () => [...written].filter((text) => !told.has(text));
    const deadlineAt = Date.now() + settleMs;
    do {
      await new Promise((resolve) => setTimeout(resolve, 250));
      const { messages } = (await gateway.sandbox(`messages?instance_id=${instanceId}`)) as {
        messages: { id: string; from: string; text?: string }[];
      };
      for (const message of messages)
        if (message.text && message.from.startsWith(own)) add(arrivals, message.text, message.id);
      for (const request of receiver.requests)
        add(told, JSON.parse(request.body).message.body as string, request.headers['webhook-id'] as string);
    } while ((missing().length > 0 || untold().length > 0) && Date.now() < deadlineAt);

    return {
      kills,
      accepted: accepted.size,
      lost: missing(),
      doubled: [...arrivals].filter(([, ids]) => ids.size > 1).map(([text]) => text),
      received: written.size,
      untold: untold(),
      toldTwice: [...told].filter(([, ids]) => ids.size > 1).map(([text]) => text),
      readyAfterMs: readyAfterMs.toSorted((a, b) => a - b),
    };
  } finally {
    load.stopped = true;
    await gateway.kill('SIGTERM');
    await receiver.close();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

function add(map: Map<string, Set<string>>, key: string, value: string): void {
  const values = map.get(key) ?? new Set();
  map.set(key, values.add(value));
}
