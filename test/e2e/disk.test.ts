import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Instance } from '../../src/model/instance.ts';
import { accountCaller, type Caller } from '../../src/model/token.ts';
import { until } from '../support/clock.ts';
import { openSqlite, type TestDatabase } from '../support/database.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { canMount, mountSmallDisk, type SmallDisk } from '../support/small-disk.ts';

const own = '255757000001';
const friend = '255757123456';

describe.skipIf(!canMount)('with a full disk under the profiles', () => {
  let opened: TestDatabase;
  let gateway: TestGateway;
  let caller: Caller;
  let id: string;
  let disk: SmallDisk;

  beforeAll(async () => {
    opened = await openSqlite();
    gateway = await startGateway(opened.url, {}, { supervision: { firstPauseMs: 300 } });
    disk = await mountSmallDisk(join(gateway.dataDir, 'profiles'), 64 * 2 ** 20);
    caller = accountCaller((await gateway.app.core.accounts.first()).id);
    id = await gateway.link(own);
  });

  afterAll(async () => {
    await gateway?.app.close();
    disk?.unmount();
    await gateway?.stop();
    await opened?.drop();
  });

  const get = (): Promise<Instance> => gateway.app.core.instances.get(caller, id);
  const send = (message: string) =>
    gateway.call('wap_bridge.api.whatsapp.erpnext_notification_gateway', {
      instance_id: id,
      to_number: friend,
      message,
    });
  const arrived = (text: string) =>
    gateway.app.sandbox!.network.messages({ phone: friend }).filter((message) => message.text === text);

  it('says so, keeps the profile, and goes on without a scan when there is room again', async () => {
    disk.fill();
    await send('while it was full');
    await gateway.app.core.instances.disconnect(caller, id);
    await gateway.app.core.instances.connect(caller, id);
    await until('it is told', async () => (await get()).actionCode === 'disk_full');
    expect((await get()).reason).toContain('MiB are free');

    await disk.free();
    await gateway.waitUntilReady(id);
    await send('after it was full');
    await until(
      'both have arrived',
      () => arrived('after it was full').length + arrived('while it was full').length === 2,
    );
  });
});
