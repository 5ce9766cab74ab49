import { openSqlite } from '../support/database.ts';
import { freePort, type GatewayProcess, spawnGateway } from '../support/process.ts';
import { benchDir } from './inbound.ts';
import { printTable, quantile, treePssMib } from './measure.ts';
import { linkNew, untilReady } from './sends.ts';

const counts = [1, 5, 10];
const metricsToken = 'a-token-for-the-benchmark';
const scrapes = 50;
/** As by default; the tests start without a pause. */
const staggerMs = 2_000;

/**
 * What instances cost: memory of the whole process tree with 1, 5 and 10 of them, time to the QR code and to ready, restart of ten
 * with stored logins, a scrape of the metrics.
 */
export async function benchInstances(): Promise<void> {
  const { dir, remove } = await benchDir();
  const database = await openSqlite();
  const env = {
    PORT: await freePort(),
    DATA_DIR: dir,
    DATABASE_URL: database.url,
    LOG_LEVEL: 'warn',
    METRICS_TOKEN: metricsToken,
    START_STAGGER_MS: String(staggerMs),
  };
  let gateway = await spawnGateway(env);
  const bareMib = treePssMib(gateway.pid);
  const memory: (string | number)[][] = [['no instance', bareMib, '–']];

  const startedAt = performance.now();
  const first = (await gateway.call('wap_bridge.api.instances.create_instance', {})).json.instance_id as string;
  await gateway.call('wap_bridge.api.instances.get_qr', { instance_id: first });
  const qrMs = performance.now() - startedAt;
  const scannedAt = performance.now();
  await gateway.sandbox('link', { instance_id: first, phone_number: '255757000001' });
  await untilReady(gateway, first);
  const linkMs = performance.now() - scannedAt;

  const ids = [first];
  for (const count of counts) {
    while (ids.length < count) ids.push(await linkNew(gateway, `2557570000${String(ids.length + 1).padStart(2, '0')}`));
    await settle();
    const totalMib = treePssMib(gateway.pid);
    memory.push([`${count} instance${count > 1 ? 's' : ''}`, totalMib, (totalMib - bareMib) / count]);
  }
  const scrapeMs = await timeScrapes(gateway);

  const stoppedAt = performance.now();
  await gateway.kill('SIGTERM');
  const stopMs = performance.now() - stoppedAt;
  const restartedAt = performance.now();
  gateway = await spawnGateway(env);
  const listeningMs = performance.now() - restartedAt;
  // The order of starts is the gateway's own, so they are watched all at once.
  const readyMs = await Promise.all(
    ids.map(async (id) => {
      await untilReady(gateway, id);
      return performance.now() - restartedAt;
    }),
  );
  await gateway.kill('SIGTERM');
  await database.drop();
  await remove();

  printTable(
    'Memory (PSS of the process tree), MiB',
    ['', 'whole tree', 'per instance, gateway process not counted'],
    memory,
  );
  printTable(
    `Times, ms (starts are ${staggerMs} ms apart)`,
    ['', 'ms'],
    [
      ['create_instance to QR code', qrMs],
      ['scan to ready', linkMs],
      [`stop with ${ids.length} instances`, stopMs],
      ['process start to listening', listeningMs],
      ['process start to first instance ready (stored login)', Math.min(...readyMs)],
      [`process start to ${ids.length} instances ready`, Math.max(...readyMs)],
      [`scrape of /metrics with ${ids.length} instances, p50`, quantile(scrapeMs, 0.5)],
      [`scrape of /metrics with ${ids.length} instances, p95`, quantile(scrapeMs, 0.95)],
    ],
  );
}

/** Milliseconds of each scrape, one after another. */
async function timeScrapes(gateway: GatewayProcess): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < scrapes; index += 1) {
    const at = performance.now();
    const response = await fetch(`${gateway.url}/metrics`, { headers: { Authorization: `Bearer ${metricsToken}` } });
    await response.text();
    if (!response.ok) throw new Error(`/metrics answered ${response.status}`);
    times.push(performance.now() - at);
  }
  return times;
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 3_000));
}
