import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMysql, openSqlite } from '../support/database.ts';
import { startGateway } from '../support/gateway.ts';
import { printTable, quantile } from './measure.ts';
import { forkReceiver } from './webhooks.ts';

const own = '255757000001';
const burst = 1_000;
const chats = 20;
const rounds = 5;

/** A burst of messages from the page to a receiver, one request a message: how many a second, in which order, how many lost or twice. */
export async function benchInbound(): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const [name, open] of Object.entries({ SQLite: openSqlite, MariaDB: openMysql })) {
    const database = await open();
    const gateway = await startGateway(database.url);
    const receiver = await forkReceiver();
    await gateway.link(own);
    await gateway.call('wap_bridge.api.settings.set_webhook', { url: receiver.url });
    const network = gateway.app.sandbox!.network;
    const send = (count: number, round: number) => {
      for (let index = 0; index < count; index += 1)
        network.receive({
          to: own,
          from: `2557571${String(index % chats).padStart(5, '0')}`,
          text: `${round} ${index}`,
        });
    };
    const perSecond: number[] = [];
    let lost = 0;
    let twice = 0;
    let bad = 0;
    for (let round = 0; round <= rounds; round += 1) {
      const startedAt = performance.now();
      send(burst, round);
      await receiver.waitFor(burst);
      const elapsedMs = performance.now() - startedAt;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const bodies = (await receiver.reset()).map((body) => JSON.parse(body) as Told);
      if (round === 0) continue;
      const distinct = new Set(bodies.map(({ message }) => message.body)).size;
      perSecond.push((burst / elapsedMs) * 1000);
      lost += burst - distinct;
      twice += bodies.length - distinct;
      bad += disordered(bodies);
    }
    rows.push([name, quantile(perSecond, 0.5), Math.max(...perSecond), lost, twice, bad]);
    await gateway.stop();
    receiver.stop();
    await database.drop();
  }
  printTable(
    `Inbound: ${rounds} bursts of ${burst} over ${chats} chats, through the page, after one to warm up`,
    ['', 'webhooks per second (middle)', 'best', 'lost', 'twice', 'chats out of order'],
    rows,
  );
}

interface Told {
  chat_id: string;
  message: { body: string };
}

function disordered(bodies: Told[]): number {
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
