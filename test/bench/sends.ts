import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createTestBed } from '../sandbox/support.ts';
import { openMysql, openSqlite } from '../support/database.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';
import { until } from '../support/clock.ts';
import { middle, printTable, type Timing, timed } from './measure.ts';

const own = '255757000001';
const friend = '255757123456';
const rounds = 5;
const perRound = 200;

/** One text at a time and ten at once: the bare library beside the gateway over HTTP, on the same page, in alternating rounds. */
export async function benchSends(): Promise<void> {
  const dirs: string[] = [];
  const bed = await createTestBed();
  const stock = await bed.start('stock', { linkAs: '255757000009' });
  const rivals: Record<string, (index: number) => Promise<unknown>> = {
    'bare library': (index) => stock.sendMessage(`${friend}@c.us`, `bare ${index}`, { sendSeen: false }),
  };
  const gateways: GatewayProcess[] = [];
  const databases = { SQLite: await openSqlite(), MariaDB: await openMysql() };
  for (const [name, { url }] of Object.entries(databases)) {
    const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-bench-'));
    dirs.push(dataDir);
    const gateway = await spawnGateway({
      PORT: await freePort(),
      DATA_DIR: dataDir,
      DATABASE_URL: url,
      LOG_LEVEL: 'warn',
    });
    gateways.push(gateway);
    await linkNew(gateway, own);
    rivals[`gateway, ${name}`] = async (index) => {
      const { json } = await gateway.call('wap_bridge.api.whatsapp.send_api_message', {
        from_number: own,
        to_number: friend,
        message: `ours ${index}`,
      });
      if (json.ok !== true || json.status === 'queued') throw new Error(JSON.stringify(json));
    };
  }

  try {
    for (const send of Object.values(rivals)) await timed(100, 4, send);
    for (const concurrency of [1, 10]) {
      const results = new Map<string, Timing[]>();
      for (let round = 0; round < rounds; round += 1)
        for (const [name, send] of Object.entries(rivals))
          results.set(name, [...(results.get(name) ?? []), await timed(perRound, concurrency, send)]);
      const bare = middle(results.get('bare library')!);
      const rows = [...results].map(([name, timings]) => {
        const { perSecond, p50, p95 } = middle(timings);
        return [name, perSecond, p50, p95, perSecond / bare.perSecond];
      });
      printTable(
        `Text, ${concurrency} at once (${rounds} × ${perRound})`,
        ['', 'per second', 'p50 ms', 'p95 ms', '× bare'],
        rows,
      );
    }
    await benchOffline(gateways);
  } finally {
    for (const gateway of gateways) await gateway.kill('SIGTERM');
    await bed.close();
    for (const database of Object.values(databases)) await database.drop();
    for (const dir of dirs) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Makes an instance, scans its code with the phone and waits until it is ready. */
export async function linkNew(gateway: GatewayProcess, phone: string): Promise<string> {
  const instanceId = (await gateway.call('wap_bridge.api.instances.create_instance', {})).json.instance_id as string;
  await gateway.call('wap_bridge.api.instances.get_qr', { instance_id: instanceId });
  await gateway.sandbox('link', { instance_id: instanceId, phone_number: phone });
  await untilReady(gateway, instanceId);
  return instanceId;
}

/** Resolves when the instance is ready. */
export async function untilReady(gateway: GatewayProcess, instanceId: string): Promise<void> {
  const status = async () =>
    (await gateway.call('wap_bridge.api.instances.instance_status', { instance_id: instanceId })).json.status;
  await until(`${instanceId} is ready`, async () => (await status()) === 'ready', 60_000);
}

/** The ERPNext endpoint while the instance is away: a durable row, then the answer. */
async function benchOffline(gateways: GatewayProcess[]): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const [index, gateway] of gateways.entries()) {
    const { json } = await gateway.call('wap_bridge.api.instances.list_instances', {});
    const [{ instance_id }] = json.instances as [{ instance_id: string }];
    await gateway.call('wap_bridge.api.instances.disconnect', { instance_id });
    const { perSecond, p50, p95 } = await timed(500, 1, async (number) => {
      const answer = await gateway.call('wap_bridge.api.whatsapp.erpnext_notification_gateway', {
        message: `offline ${number}`,
        to_number: friend,
      });
      if (answer.status !== 200) throw new Error(JSON.stringify(answer.json));
    });
    rows.push([['SQLite', 'MariaDB'][index]!, perSecond, p50, p95]);
  }
  printTable(
    'erpnext_notification_gateway, instance offline, one at a time',
    ['', 'per second', 'p50 ms', 'p95 ms'],
    rows,
  );
}
