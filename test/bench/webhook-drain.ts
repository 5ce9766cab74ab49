import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase } from '../../src/store/database.ts';
import { buildWebhooks } from '../support/webhooks.ts';
import { bareLoop, forkReceiver } from './webhooks.ts';

// The worker of the backlog benchmark: sends the first of what waits in a database that another process has filled.

/** How sending the first of a backlog went. */
export interface Drained {
  perSecond: number;
  bareLoopPerSecond: number;
  /** From the start of the worker to the first arrival. */
  firstMs: number;
  /** Memory before the worker began, after the bare loop, MiB. */
  idleRssMib: number;
  /** The most while it sent. */
  mostRssMib: number;
}

const [url, countText] = process.argv.slice(2);
const count = Number(countText);
const database = createDatabase(url!);
const receiver = await forkReceiver();
const { webhooks, accountId } = await buildWebhooks(database, join(tmpdir(), `wapbridge-drain-${process.pid}`));
await webhooks.set(accountId, { url: receiver.url, dialect: 'plain', events: ['instance.status'] });
const bareLoopPerSecond = await bareLoop(receiver.url, count);
await receiver.reset();

const rssMib = () => Math.round(process.memoryUsage.rss() / 1024 / 1024);
const idleRssMib = rssMib();
let mostRssMib = idleRssMib;
const sampler = setInterval(() => (mostRssMib = Math.max(mostRssMib, rssMib())), 20);
const startedAt = performance.now();
webhooks.start();
await receiver.waitFor(1);
const firstMs = Math.round(performance.now() - startedAt);
await receiver.waitFor(count);
const perSecond = Math.round((count / (performance.now() - startedAt)) * 1000);
clearInterval(sampler);
await webhooks.stop();
receiver.stop();
await database.close();
const drained: Drained = { perSecond, bareLoopPerSecond, firstMs, idleRssMib, mostRssMib };
process.send?.(drained, () => process.exit());
