import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../support/clock.ts';
import { openMysql, openSqlite } from '../support/database.ts';
import { startGateway } from '../support/gateway.ts';
import { startReceiver } from '../support/receiver.ts';
import { printTable } from './measure.ts';

const own = '255757000001';
const burst = 1_000;
const chats = 20;

/** A burst of messages from the page to a receiver, one request a message: how many a second, in which order, how many lost or twice. */
export async function benchInbound(): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const [name, open] of Object.entries({ SQLite: openSqlite, MariaDB: openMysql })) {
    const database = await open();
    const gateway = await startGateway(database.url);
    const receiver = await startReceiver();
    await gateway.link(own);
    await gateway.call('wap_bridge.api.settings.set_webhook', { url: receiver.url });
    const network = gateway.app.sandbox!.network;
    const send = (count: number, prefix: string) => {
      for (let index = 0; index < count; index += 1)
        network.receive({
          to: own,
          from: `2557571${String(index % chats).padStart(5, '0')}`,
          text: `${prefix} ${index}`,
        });
    };
    send(50, 'warm');
    await until('the warm-up is told', () => receiver.requests.length >= 50);
    receiver.requests.length = 0;
    const startedAt = performance.now();
    send(burst, 'm');
    await until('all are told', () => receiver.requests.length >= burst, 60_000);
    const elapsedMs = performance.now() - startedAt;
    const bodies = receiver.requests.map(
      ({ body }) => JSON.parse(body) as { chat_id: string; message: { body: string } },
    );
    const distinct = new Set(bodies.map(({ message }) => message.body)).size;
    rows.push([name, (burst / elapsedMs) * 1000, burst - distinct, bodies.length - distinct, disordered(bodies)]);
    await gateway.stop();
    await receiver.close();
    await database.drop();
  }
  printTable(
    `Inbound burst of ${burst} over ${chats} chats, sandbox, page, gateway and receiver on 2 cores`,
    ['', 'webhooks per second', 'lost', 'twice', 'chats out of order'],
    rows,
  );
}

function disordered(bodies: { chat_id: string; message: { body: string } }[]): number {
  const last = new Map<string, number>();
  const bad = new Set<string>();
  for (const { chat_id, message } of bodies) {
    const number = Number(message.body.split(' ')[1]);
    if (number < (last.get(chat_id) ?? -1)) bad.add(chat_id);
    last.set(chat_id, number);
  }
  return bad.size;
}

/** A folder for one benchmark. */
export async function benchDir(): Promise<{ dir: string; remove(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'wapbridge-bench-'));
  return { dir, remove: () => rm(dir, { recursive: true, force: true, maxRetries: 5 }) };
}
