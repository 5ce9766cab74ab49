import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { treePssMib } from '../bench/measure.ts';
import { linkNew } from '../bench/sends.ts';
import { browsersIn } from '../support/browsers.ts';
import { until } from '../support/clock.ts';
import { openSqlite } from '../support/database.ts';
import { freePort, spawnGateway } from '../support/process.ts';

/** `SOAK_MINUTES=30 npm run test:long -- soak` */
const minutes = Number(process.env.SOAK_MINUTES ?? 30);
const phones = ['255757000001', '255757000002', '255757000003'];
const friend = '255757123456';
const sendEveryMs = 250;
const samples = 30;
/** How much more memory the last third of the run may take than the first. */
const growth = 1.15;

it(`keeps healthy instances running for ${minutes} minutes, with flat memory, and loses nothing`, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-soak-'));
  const database = await openSqlite();
  const gateway = await spawnGateway({
    PORT: await freePort(),
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    LOG_LEVEL: 'warn',
  });
  try {
    const ids: string[] = [];
    for (const phone of phones) ids.push(await linkNew(gateway, phone));
    const browsers = browsersIn(dataDir).toSorted();
    expect(browsers).toHaveLength(phones.length);
    const memory: number[] = [];
    const accepted: string[] = [];
    let received = 0;

    const endAt = Date.now() + minutes * 60_000;
    let sampleAt = 0;
    for (let serial = 0; Date.now() < endAt; serial += 1) {
      const [id, text] = [ids[serial % ids.length]!, `soak ${serial}`];
      const method = 'wap_bridge.api.whatsapp.erpnext_notification_gateway';
      const { json } = await gateway.call(method, { instance_id: id, to_number: friend, message: text });
      if (json.ok === true) accepted.push(text);
      if (serial % 4 === 0) {
        await gateway.sandbox('receive', { instance_id: id, from: friend, text: `answer ${serial}` });
        received += 1;
      }
      if (Date.now() >= sampleAt) {
        sampleAt = Date.now() + (minutes * 60_000) / samples;
        memory.push(treePssMib(gateway.pid));
        expect(browsersIn(dataDir).toSorted(), 'no browser was restarted').toEqual(browsers);
      }
      await new Promise((resolve) => setTimeout(resolve, sendEveryMs));
    }

    const lost = async () => {
      const { messages } = (await gateway.sandbox('messages')) as { messages: { text?: string }[] };
      const arrived = new Set(messages.map(({ text }) => text));
      return accepted.filter((text) => !arrived.has(text));
    };
    await until('everything has arrived', async () => (await lost()).length === 0, 60_000).catch(() => undefined);
    const third = Math.floor(memory.length / 3);
    const [first, last] = [median(memory.slice(0, third)), median(memory.slice(-third))];
    process.stdout.write(
      `soak ${JSON.stringify({ minutes, sent: accepted.length, received, lost: (await lost()).length, memoryMib: memory.map(Math.round) })}\n`,
    );
    expect(await lost()).toEqual([]);
    expect(last / first).toBeLessThan(growth);
  } finally {
    await gateway.kill('SIGTERM');
    await database.drop();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
});

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
