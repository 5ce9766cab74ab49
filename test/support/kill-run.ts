import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linkNew } from '../bench/sends.ts';
import { browsersIn, isRunning } from './browsers.ts';
import { until } from './clock.ts';
import { freePort, type GatewayProcess, spawnGateway } from './process.ts';
import { startReceiver } from './receiver.ts';

/** What came of killing the gateway again and again under load. */
interface KillReport {
  kills: number;
  /** Sends that were answered with 200 and "ok": true. */
  accepted: number;
  /** Accepted, but never arrived at the other phone; each with how far the gateway says it is. */
  lost: string[];
  /** Of the accepted: to be sent a moment later. */
  scheduled: number;
  /** Cancelled, by the answer. */
  cancelled: number;
  /** Cancelled, but arrived at the other phone. */
  resurrected: string[];
  /** Arrived under more than one message id. */
  doubled: string[];
  /** Messages that the other phone wrote. */
  received: number;
  /** Written, but no webhook ever told. */
  untold: string[];
  /** Told as two different events (repeats of one event carry the same webhook-id and are fine). */
  toldTwice: string[];
  /** Browsers that outlived the gateway which had started them, once the next one was ready. */
  orphans: number;
  /** Instances that were not simply ready again: that asked for a scan, or could not have their profile. */
  troubled: string[];
  /** From the kill to ready again, ms, sorted. */
  readyAfterMs: number[];
}

/** What a report says when nothing went wrong. */
export const faultless = {
  lost: [],
  resurrected: [],
  doubled: [],
  untold: [],
  toldTwice: [],
  orphans: 0,
  troubled: [],
} satisfies Partial<KillReport>;

const own = '255757000001';
const neighbours = ['255757000002', '255757000003'];
const friend = '255757123456';
const senders = 4;
/** What was on its way at the end of several gateways waits until one has stood for a while, and then goes one by one. */
const settleMs = 180_000;
const laterMs = 3_000;

/** Kills (SIGKILL) a gateway under load at random moments; at the end everything accepted must have arrived exactly once. */
export async function runKills({ kills, databaseUrl }: { kills: number; databaseUrl: string }): Promise<KillReport> {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-kill-'));
  const receiver = await startReceiver();
  const env = { PORT: await freePort(), DATA_DIR: dataDir, DATABASE_URL: databaseUrl };
  const accepted = new Set<string>();
  const scheduled = new Set<string>();
  const cancelled = new Set<string>();
  const written = new Set<string>();
  const readyAfterMs: number[] = [];
  let gateway = await spawnGateway(env);
  let serial = 0;
  const load = { stopped: false };

  const instanceId = await linkNew(gateway, own);
  // Those that only have to be there again.
  for (const phone of neighbours) await linkNew(gateway, phone);
  await gateway.call('wap_bridge.api.settings.set_webhook', { url: receiver.url });
  const troubled = new Set<string>();
  let orphans = 0;

  /** Waits until every instance is ready again, and remembers which had more trouble than that. */
  async function ready(process: GatewayProcess): Promise<void> {
    const areReady = async () => {
      const { json } = await process.call('wap_bridge.api.instances.list_instances', {});
      const all = json.instances as { instance_id: string; status: string; action: string | null }[];
      for (const { instance_id, status, action } of all)
        if (status === 'qr' || action !== null) troubled.add(`${instance_id} ${status} ${action}`);
      return all.every(({ status }) => status === 'ready');
    };
    await until(`all are ready\n${process.output().slice(-3000)}`, areReady, 60_000);
  }

  /** One after another, a text by the API, by the SMS gateway, one for later, one that is cancelled, or one from the other phone. */
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
          const isLater = serial % 4 === 0;
          const isCancelled = serial % 12 === 0;
          const method = `wap_bridge.api.whatsapp.${methods[(serial + sender) % 2]}`;
          const { status, json } = await gateway.call(method, {
            instance_id: instanceId,
            from_number: own,
            to_number: friend,
            message: text,
            ...(isLater && { send_at: new Date(Date.now() + Math.random() * laterMs).toISOString() }),
          });
          if (status !== 200 || json.ok !== true) continue;
          if (isCancelled) await cancel(text, (json.service as { id: string }).id);
          else accepted.add(text);
          if (isLater) scheduled.add(text);
        }
      } catch {
        // The gateway is gone or not back yet: this one was never accepted.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  /** Without an answer nobody can tell: it may arrive or not. */
  async function cancel(text: string, id: string): Promise<void> {
    const { status } = await gateway.call('wap_bridge.api.whatsapp.cancel_message', { id });
    if (status === 200) cancelled.add(text);
  }

  /** Says of texts how far they are, and what the gateway wrote meanwhile, for whoever has to find out why. */
  async function fates(texts: string[]): Promise<string[]> {
    if (texts.length === 0) return [];
    const lines = gateway.output().split('\n');
    process.stdout.write(lines.filter((line) => !line.includes('/sandbox/api/')).join('\n'));
    const { json } = await gateway.call('wap_bridge.api.whatsapp.list_messages', { direction: 'out', limit: 500 });
    const known = new Map(
      (json.messages as { body: string; status: string }[]).map(({ body, status }) => [body, status] as const),
    );
    return texts.map((text) => `${text} ${known.get(text) ?? 'is older'}`);
  }

  const loads = Array.from({ length: senders }, (_, sender) => write(sender));
  try {
    for (let kill = 0; kill < kills; kill += 1) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 700));
      const killedAt = Date.now();
      const before = browsersIn(dataDir);
      await gateway.kill('SIGKILL');
      gateway = await spawnGateway(env);
      await ready(gateway);
      const now = browsersIn(dataDir);
      orphans += before.filter(isRunning).length + Math.max(0, now.length - 1 - neighbours.length);
      readyAfterMs.push(Date.now() - killedAt);
    }
    const isEnough = () => accepted.size > 20 && scheduled.size > 5 && cancelled.size > 0 && written.size > 5;
    await until('some of each was written', isEnough);
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
      scheduled: scheduled.size,
      cancelled: cancelled.size,
      resurrected: [...cancelled].filter((text) => arrivals.has(text)),
      lost: await fates(missing()),
      doubled: [...arrivals].filter(([, ids]) => ids.size > 1).map(([text]) => text),
      received: written.size,
      untold: untold(),
      toldTwice: [...told].filter(([, ids]) => ids.size > 1).map(([text]) => text),
      orphans,
      troubled: [...troubled],
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
