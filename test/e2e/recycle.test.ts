import { join } from 'node:path';
import { expect, it } from 'vitest';
import { browsersIn } from '../support/browsers.ts';
import { until } from '../support/clock.ts';
import { openSqlite } from '../support/database.ts';
import { startGateway } from '../support/gateway.ts';

const friend = '255757123456';

it('restarts a browser above its memory limit under load, and loses and doubles no message', async () => {
  const opened = await openSqlite();
  const supervision = { beatMs: 50, memoryEveryMs: 100, recycleAfterMs: 1_000 };
  // Every browser is larger than that.
  const gateway = await startGateway(opened.url, { INSTANCE_MEMORY_LIMIT_MB: '10' }, { supervision });
  const id = await gateway.link('255757000001');
  const browsers = new Set<number>();
  const accepted: string[] = [];
  const written: string[] = [];
  const { network } = gateway.app.sandbox!;
  for (let serial = 0; browsers.size < 3 || accepted.length <= 30; serial += 1) {
    for (const pid of browsersIn(join(gateway.dataDir, 'profiles', id))) browsers.add(pid);
    const [message, answer] = [`out ${serial}`, `in ${serial}`];
    const { json } = await gateway.call('wap_bridge.api.whatsapp.erpnext_notification_gateway', {
      instance_id: id,
      to_number: friend,
      message,
    });
    if (json.ok) accepted.push(message);
    if (serial % 5 === 0) {
      network.receive({ to: '255757000001', from: friend, text: answer });
      written.push(answer);
    }
    await new Promise((resolve) => setTimeout(resolve, 15));
  }

  const texts = () => network.messages({ phone: friend }).map(({ text }) => text);
  await until('everything has arrived', () => {
    const arrived = new Set(texts());
    return accepted.every((text) => arrived.has(text));
  });
  expect(accepted.length).toBeGreaterThan(30);
  expect(texts().filter((text, index, all) => all.indexOf(text) !== index)).toEqual([]);
  const { knex } = opened.database;
  await until(
    'everything that came is stored',
    async () => (await knex('messages').where({ direction: 'in' })).length === written.length,
  );
  const { json } = await gateway.call('wap_bridge.api.instances.instance_status', { instance_id: id });
  expect(json).toMatchObject({ attempts: 0, action: null });
  await gateway.stop();
  await opened.drop();
});
