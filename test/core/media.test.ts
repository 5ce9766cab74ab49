import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createMediaFiles } from '../../src/core/media/files.ts';
import { createMedia, type Media, type MediaDeps } from '../../src/core/media.ts';
import { createSecrets } from '../../src/core/secrets.ts';
import { createIdSource } from '../../src/model/ids.ts';
import { createOutbound } from '../../src/outbound.ts';
import { createMediaStore } from '../../src/store/media.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { startReceiver } from '../support/receiver.ts';

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const pdf = Buffer.from('%PDF-1.4\n%âãÏÓ\n1 0 obj\n');

forEachDatabase((open) => {
  let db: TestDatabase;
  let dataDir: string;
  let now: number;
  const closers: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    db = await open();
    dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-media-'));
    now = Date.now();
  });
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
    await db.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  function build(patch: Partial<MediaDeps> = {}): Media {
    const newId = createIdSource(() => now);
    const outbound = createOutbound({ allowCidrs: ['127.0.0.0/8'] });
    closers.push(() => outbound.close());
    return createMedia({
      store: createMediaStore(db.database),
      files: createMediaFiles({ dataDir, newName: newId }),
      outbound,
      secrets: createSecrets('a secret key of at least 32 characters'),
      clock: { now: () => now },
      newId,
      publicUrl: 'https://gateway.test',
      maxBytes: 10_000,
      retentionDays: 30,
      ...patch,
    });
  }

  /** Every file below `media`, drafts too. */
  async function filesOnDisk(): Promise<string[]> {
    const entries = await readdir(join(dataDir, 'media'), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  }

  const accountId = 'CUST-0001';

  it('keeps base64 as a file named by its hash, with the type that the bytes tell', async () => {
    const media = build();
    const ref = await media.saveBase64({
      accountId,
      base64: png.toString('base64'),
      mimeType: 'application/pdf',
      filename: '../../etc/photo.png',
    });
    expect(ref).toMatchObject({ mimeType: 'image/png', filename: 'photo.png', sizeBytes: png.length });
    const hash = createHash('sha256').update(png).digest('hex');
    const { path } = await media.get(ref.mediaId);
    expect(path).toBe(join(dataDir, 'media', hash.slice(0, 2), hash));
    expect(await readFile(path)).toEqual(png);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await media.readBase64(ref.mediaId)).toBe(png.toString('base64'));
    expect(await filesOnDisk()).toEqual([hash]);
  });

  it('keeps the same bytes once, and one row for an account that sends them again', async () => {
    const media = build();
    const first = await media.saveBase64({ accountId, base64: png.toString('base64'), filename: 'a.png' });
    const again = await media.saveBase64({ accountId, base64: png.toString('base64'), filename: 'a.png' });
    const other = await media.saveBase64({ accountId: 'CUST-0002', base64: png.toString('base64'), filename: 'a.png' });
    expect(again.mediaId).toBe(first.mediaId);
    expect(other.mediaId).not.toBe(first.mediaId);
    expect(await filesOnDisk()).toHaveLength(1);
    const many = await Promise.all(
      Array.from({ length: 20 }, () => media.saveBytes({ accountId, bytes: pdf, filename: 'same.pdf' })),
    );
    expect(new Set(many.map(({ mediaId }) => mediaId)).size).toBe(1);
  });

  it('refuses what is empty, too large, not base64, or not what it is said to be', async () => {
    const media = build();
    await expect(media.saveBase64({ accountId, base64: '' })).rejects.toMatchObject({ code: 'invalid_media' });
    await expect(media.saveBase64({ accountId, base64: 'no base64!' })).rejects.toMatchObject({
      code: 'invalid_media',
    });
    await expect(
      media.saveBase64({ accountId, base64: Buffer.alloc(10_001).toString('base64') }),
    ).rejects.toMatchObject({ code: 'too_large' });
    await expect(media.saveBytes({ accountId, bytes: Buffer.alloc(10_001) })).rejects.toMatchObject({
      code: 'too_large',
    });
    await expect(
      media.saveBase64({ accountId, base64: Buffer.from('just text').toString('base64'), mimeType: 'image/jpeg' }),
    ).rejects.toMatchObject({ code: 'invalid_media' });
    expect(await filesOnDisk()).toEqual([]);
  });

  it('takes what WhatsApp delivers as it is', async () => {
    expect(
      await build().saveBytes({ accountId, bytes: Buffer.from([0, 1, 2, 3]), mimeType: 'image/jpeg' }),
    ).toMatchObject({ mimeType: 'application/octet-stream' });
  });

  it('fetches a file by address, with the name and type it comes with', async () => {
    const server = await startReceiver();
    closers.push(() => server.close());
    const media = build();
    server.answer((_, response) =>
      response
        .writeHead(200, { 'content-type': 'text/plain', 'content-disposition': 'attachment; filename="bill.pdf"' })
        .end(pdf),
    );
    expect(await media.saveUrl({ accountId, url: server.url })).toMatchObject({
      mimeType: 'application/pdf',
      filename: 'bill.pdf',
    });
    server.answer((_, response) => response.end(Buffer.alloc(10_001)));
    await expect(media.saveUrl({ accountId, url: server.url })).rejects.toMatchObject({ code: 'too_large' });
    server.answer((_, response) => {
      response.writeHead(200, { 'content-length': '9000' });
      response.write('x'.repeat(5000), () => response.destroy());
    });
    await expect(media.saveUrl({ accountId, url: server.url })).rejects.toMatchObject({ code: 'fetch_failed' });
    await expect(media.saveUrl({ accountId, url: 'http://10.0.0.1/x.png' })).rejects.toMatchObject({
      code: 'blocked_address',
    });
    expect(await filesOnDisk()).toHaveLength(1);
  });

  it('opens a file by its signed link for seven days, and by nothing else', async () => {
    const media = build();
    const { mediaId } = await media.saveBytes({ accountId, bytes: pdf, filename: 'bill.pdf' });
    const link = new URL(media.signedUrl(mediaId));
    expect(link.origin + link.pathname).toBe(`https://gateway.test/media/${mediaId}`);
    const [expires, signature] = [link.searchParams.get('expires') ?? '', link.searchParams.get('signature') ?? ''];
    const opened = await media.open(mediaId, expires, signature);
    expect(opened).toMatchObject({ mimeType: 'application/pdf', filename: 'bill.pdf', sizeBytes: pdf.length });
    const chunks: Buffer[] = [];
    for await (const chunk of opened.stream as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(Buffer.concat(chunks)).toEqual(pdf);
    for (const [id, time, sign] of [
      ['OTHER', expires, signature],
      [mediaId, String(Number(expires) + 1), signature],
      [mediaId, expires, `${signature}x`],
      [mediaId, expires, ''],
    ] as const) {
      await expect(media.open(id, time, sign)).rejects.toMatchObject({ code: 'forbidden' });
    }
    now += 7 * 24 * 3600 * 1000 + 1000;
    await expect(media.open(mediaId, expires, signature)).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('says not found when the file is gone', async () => {
    const media = build();
    const { mediaId } = await media.saveBytes({ accountId, bytes: pdf });
    await rm((await media.get(mediaId)).path);
    await expect(media.readBase64(mediaId)).rejects.toMatchObject({ code: 'not_found' });
    await expect(media.get('NONE')).rejects.toMatchObject({ code: 'not_found' });
    const again = await media.saveBytes({ accountId, bytes: pdf });
    expect(await media.readBase64(again.mediaId)).toBe(pdf.toString('base64'));
  });

  it('keeps a file for thirty days from when it was last sent', async () => {
    const media = build();
    const day = 24 * 3600 * 1000;
    const { mediaId } = await media.saveBytes({ accountId, bytes: pdf });
    now += 20 * day;
    expect((await media.saveBytes({ accountId, bytes: pdf })).mediaId).toBe(mediaId);
    now += 20 * day;
    expect(await media.prune(now)).toBe(0);
    expect(await media.readBase64(mediaId)).toBe(pdf.toString('base64'));
    now += 11 * day;
    expect(await media.prune(now)).toBe(1);
  });

  it('keeps a file that is sent again while it is being pruned', async () => {
    const store = createMediaStore(db.database);
    const { olderThan } = store;
    const media = build({ store });
    const { mediaId } = await media.saveBytes({ accountId, bytes: png });
    now += 31 * 24 * 3600 * 1000;
    store.olderThan = async (...given) => {
      store.olderThan = olderThan;
      const rows = await olderThan(...given);
      expect((await media.saveBytes({ accountId, bytes: png })).mediaId).toBe(mediaId);
      return rows;
    };
    expect(await media.prune(now)).toBe(0);
    expect(await media.readBase64(mediaId)).toBe(png.toString('base64'));
  });

  it('prunes what is old, keeps bytes that someone still has, and sweeps what was left half-done', async () => {
    const media = build();
    const day = 24 * 3600 * 1000;
    const old = await media.saveBytes({ accountId, bytes: pdf });
    const shared = await media.saveBytes({ accountId, bytes: png });
    now += 20 * day;
    await media.saveBytes({ accountId: 'CUST-0002', bytes: png });
    now += 11 * day;
    const orphan = 'ab'.repeat(32);
    await mkdir(join(dataDir, 'media', 'ab'), { recursive: true });
    await writeFile(join(dataDir, 'media', 'ab', orphan), 'orphan');
    await writeFile(join(dataDir, 'media', 'drafts', 'HALF'), 'half');
    const past = new Date(Date.now() - 2 * day);
    for (const path of [join(dataDir, 'media', 'ab', orphan), join(dataDir, 'media', 'drafts', 'HALF')])
      await utimes(path, past, past);
    await writeFile(join(dataDir, 'media', 'drafts', 'FRESH'), 'being written');
    await utimes(join(dataDir, 'media', 'drafts', 'FRESH'), new Date(now), new Date(now));

    expect(await media.prune(now)).toBe(2);
    await expect(media.get(old.mediaId)).rejects.toMatchObject({ code: 'not_found' });
    await expect(media.get(shared.mediaId)).rejects.toMatchObject({ code: 'not_found' });
    expect((await filesOnDisk()).toSorted()).toEqual(
      ['FRESH', createHash('sha256').update(png).digest('hex')].toSorted(),
    );
  });
});
