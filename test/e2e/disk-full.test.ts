import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/clock.ts';
import { openSqlite, type TestDatabase } from '../support/database.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { canMount, mountSmallDisk, type SmallDisk } from '../support/small-disk.ts';

const own = '255757000001';
const friend = '255757123456';
const mib = 1024 * 1024;
const pdf = Buffer.concat([Buffer.from('%PDF-1.4\n'), Buffer.alloc(200_000, 1)]);
const send = 'wap_bridge.api.whatsapp.send_api_message';

describe.skipIf(!canMount)('a full disk (skipped where no tmpfs can be mounted)', () => {
  let db: TestDatabase;
  let gateway: TestGateway;
  let receiver: Receiver;
  let disk: SmallDisk | null = null;

  beforeEach(async () => {
    receiver = await startReceiver();
  });
  afterEach(async () => {
    await disk?.free();
    await gateway.stop().catch(() => undefined);
    disk?.unmount();
    await receiver.close();
    await db.drop();
  });

  const attachment = { media_data: pdf.toString('base64'), mime_type: 'application/pdf', filename: 'a.pdf' };
  const bodies = () => receiver.requests.map(({ body }) => JSON.parse(body));

  it('of media refuses a send with 507, leaves no half file, and announces what arrives without its file', async () => {
    db = await openSqlite();
    gateway = await startGateway(db.url);
    disk = await mountSmallDisk(join(gateway.dataDir, 'media'), mib);
    await gateway.link(own);
    await gateway.call('wap_bridge.api.settings.set_webhook', {
      url: receiver.url,
      events: ['message.received', 'message.media'],
    });
    disk.fill(50_000);

    const refused = await gateway.call(send, { from_number: own, to_number: friend, ...attachment });
    expect(refused.status).toBe(507);
    expect(refused.json).toMatchObject({ ok: false, code: 'storage_full', exc_type: 'OSError' });
    expect(refused.json.message).toContain('no room');
    expect(refused.headers.get('retry-after')).toBe('60');
    const left = await readdir(disk.path, { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual(['filler']);
    expect((await gateway.call(send, { from_number: own, to_number: friend, message: 'text goes' })).status).toBe(200);

    gateway.app.sandbox!.network.receive({
      to: own,
      from: friend,
      media: { mimeType: 'application/pdf', data: pdf, filename: 'bill.pdf' },
    } as never);
    const [first] = await receiver.received(1);
    expect(JSON.parse(first!.body).message).toMatchObject({ hasMedia: true, media: null });
    expect(JSON.parse(first!.body).message.media_error).toContain('no room');
    expect((await readdir(join(disk.path, 'drafts'))).length).toBe(0);

    await disk.free();
    const sent = await gateway.call(send, { from_number: own, to_number: friend, ...attachment });
    expect(sent.status).toBe(200);
    // The file comes later, by itself, told to who asked for it.
    await receiver.received(2, 70_000);
    expect(bodies()[1]).toMatchObject({
      event: 'message.media',
      message: { id: bodies()[0].message.id, media: { filename: 'bill.pdf', data: pdf.toString('base64') } },
    });
    expect(bodies()[1].message).not.toHaveProperty('media_error');
    const [row] = await db.database.knex('messages').where({ direction: 'in' });
    expect(row).toMatchObject({ state: 'received', reason: null });
  });

  it('of the database refuses what cannot be kept with 507, and goes on when there is room again', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'wapbridge-full-'));
    disk = await mountSmallDisk(dir, 24 * mib);
    db = { ...(await openSqlite()), url: `sqlite:${join(dir, 'test.db')}` };
    gateway = await startGateway(db.url);
    const id = await gateway.link(own);
    const text = 'a'.repeat(20_000);
    disk.fill();
    const answers: number[] = [];
    await until('the disk is full', async () => {
      const { status, json } = await gateway.call(send, { instance_id: id, to_number: friend, message: text });
      answers.push(status);
      if (status !== 200) expect(json).toMatchObject({ ok: false, code: 'storage_full' });
      return status === 507;
    });
    expect((await gateway.call('wap_bridge.api.instances.list_instances')).status).toBe(200);

    await disk.free();
    await until(
      'it goes on',
      async () => (await gateway.call(send, { instance_id: id, to_number: friend, message: 'after' })).status === 200,
    );
    // What was refused did not go out; what was accepted did, once.
    const accepted = answers.filter((status) => status === 200).length;
    const arrived = () => gateway.app.sandbox!.network.messages({ phone: friend }).filter((one) => one.text === text);
    await until('all accepted ones arrive', () => Promise.resolve(arrived().length >= accepted));
    expect(new Set(arrived().map((one) => one.id)).size).toBe(accepted);
    await rm(dir, { recursive: true, force: true }).catch(() => undefined);
  });
});
