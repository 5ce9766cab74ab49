import { openSqlite } from '../support/database.ts';
import { freePort, spawnGateway } from '../support/process.ts';
import { benchDir } from './inbound.ts';
import { printTable, treePssMib } from './measure.ts';
import { linkNew, untilReady } from './sends.ts';

/** Memory of the whole process tree with one and with five instances; time to the QR code, and to ready with a stored login. */
export async function benchInstances(): Promise<void> {
  const { dir, remove } = await benchDir();
  const database = await openSqlite();
  const env = { PORT: await freePort(), DATA_DIR: dir, DATABASE_URL: database.url, LOG_LEVEL: 'warn' };
  let gateway = await spawnGateway(env);
  const bareMib = treePssMib(gateway.pid);

  const startedAt = performance.now();
  const first = (await gateway.call('wap_bridge.api.instances.create_instance', {})).json.instance_id as string;
  await gateway.call('wap_bridge.api.instances.get_qr', { instance_id: first });
  const qrMs = performance.now() - startedAt;
  await gateway.sandbox('link', { instance_id: first, phone_number: '255757000001' });
  await untilReady(gateway, first);
  await settle();
  const oneMib = treePssMib(gateway.pid);

  for (let index = 2; index <= 5; index += 1) await linkNew(gateway, `25575700000${index}`);
  await settle();
  const fiveMib = treePssMib(gateway.pid);

  await gateway.kill('SIGTERM');
  const restartedAt = performance.now();
  gateway = await spawnGateway(env);
  const listeningMs = performance.now() - restartedAt;
  await untilReady(gateway, first);
  const readyMs = performance.now() - restartedAt;
  const all = (await gateway.call('wap_bridge.api.instances.list_instances', {})).json.instances as {
    instance_id: string;
  }[];
  for (const { instance_id } of all) await untilReady(gateway, instance_id);
  const allReadyMs = performance.now() - restartedAt;
  await gateway.kill('SIGTERM');
  await database.drop();
  await remove();

  printTable(
    'Memory (PSS of the process tree), MiB',
    ['', 'whole tree', 'per instance, gateway process not counted'],
    [
      ['no instance', bareMib, '–'],
      ['1 instance', oneMib, oneMib - bareMib],
      ['5 instances', fiveMib, (fiveMib - bareMib) / 5],
    ],
  );
  printTable(
    'Times, ms',
    ['', 'ms'],
    [
      ['create_instance to QR code', qrMs],
      ['process start to listening', listeningMs],
      ['process start to first instance ready (stored login)', readyMs],
      ['process start to 5 instances ready (stored logins)', allReadyMs],
    ],
  );
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 3_000));
}
