import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../src/core/media/base64.ts';
import { createMediaFiles } from '../../src/core/media/files.ts';
import { cleanFilename, settleType } from '../../src/core/media/type.ts';
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

describe('base64', () => {
  const bytes = Buffer.from([0xfb, 0xff, 0xfe, 0x00, 0x10]);

  it.each([
    bytes.toString('base64'),
    bytes.toString('base64url'),
    `data:image/png;base64,${bytes.toString('base64')}`,
    `data:text/plain;charset=utf-8;base64,${bytes.toString('base64')}`,
    `data:;base64,${bytes.toString('base64')}`,
    ` ${bytes.toString('base64').slice(0, 4)}\r\n${bytes.toString('base64').slice(4)}\n`,
  ])('takes %j', (text) => {
    expect(decodeBase64(text, 100).bytes).toEqual(bytes);
  });

  it.each([
    '',
    '====',
    'a',
    'abcde',
    'ab=c',
    'ab==cd==',
    'abc=d',
    'ab=',
    'not base64',
    'ümlaut',
    'abcd!',
    'data:image/png,abcd',
    'data:image/png;base64,',
    'https://example.com/a.png',
    '{"a":1}',
    '<base64>',
  ])('refuses %j', (text) => {
    expect(() => decodeBase64(text, 100)).toThrow(/base64|empty/);
  });

  it('tells the type of a data URL', () => {
    expect(decodeBase64('data:Image/PNG;base64,AAAA', 100).mimeType).toBe('image/png');
  });

  it('refuses what is too large before it is decoded', () => {
    expect(() => decodeBase64('A'.repeat(10_000), 100)).toThrow(/larger than 100 bytes/);
    expect(() => decodeBase64(Buffer.alloc(101).toString('base64'), 100)).toThrow(/larger than 100 bytes/);
    expect(decodeBase64(Buffer.alloc(100).toString('base64'), 100).bytes).toHaveLength(100);
  });
});

describe('media types', () => {
  const start = (text: string) => Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(40)]);
  const zip = (...names: string[]) =>
    Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), Buffer.alloc(26), Buffer.from(names.join('\0'))]);

  it.each([
    ['image/jpeg', start('\xff\xd8\xff\xe0\0\x10JFIF')],
    ['image/png', png],
    ['image/gif', start('GIF89a')],
    ['image/webp', start('RIFF\0\0\0\0WEBPVP8 ')],
    ['image/heic', start('\0\0\0\x18ftypheic')],
    ['video/mp4', start('\0\0\0\x18ftypisom')],
    ['video/3gpp', start('\0\0\0\x18ftyp3gp4')],
    ['video/quicktime', start('\0\0\0\x14ftypqt  ')],
    ['video/webm', start('\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm')],
    ['video/x-matroska', start('\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska')],
    ['audio/ogg', start('OggS\0\x02OpusHead')],
    ['audio/mp4', start('\0\0\0\x18ftypM4A ')],
    ['audio/mpeg', start('ID3\x04')],
    ['audio/mpeg', start('\xff\xfb\x90\x64')],
    ['audio/aac', start('\xff\xf1\x50\x80')],
    ['audio/amr', start('#!AMR\n')],
    ['audio/wav', start('RIFF\0\0\0\0WAVEfmt ')],
    ['application/pdf', pdf],
    ['application/zip', zip('file.txt')],
    [
      'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
      zip('[Content_Types].xml', 'word/document.xml'),
    ],
    [
      'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
      zip('[Content_Types].xml', 'xl/workbook.xml'),
    ],
    [
      'application/vnd.openxmlformats-officedocument.presentationml.presentation',
      zip('[Content_Types].xml', 'ppt/presentation.xml'),
    ],
    ['application/vnd.oasis.opendocument.spreadsheet', zip('mimetypeapplication/vnd.oasis.opendocument.spreadsheetPK')],
    [
      'application/msword',
      Buffer.concat([
        Buffer.from('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 'latin1'),
        Buffer.from('WordDocument', 'utf16le'),
      ]),
    ],
    ['text/plain', Buffer.from('Habari, ünïcode €')],
    ['application/octet-stream', Buffer.from([0, 1, 2, 3])],
  ])('knows %s by its bytes', (mimeType, bytes) => {
    expect(settleType({ head: bytes, tail: bytes, declared: null })).toMatchObject({ mimeType, lie: false });
  });

  it.each([
    ['text/csv', Buffer.from('a,b\n1,2\n'), 'text/csv', false],
    ['audio/mp4', start('\0\0\0\x18ftypisom'), 'audio/mp4', false],
    ['application/vnd.ms-excel', start('\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'), 'application/vnd.ms-excel', false],
    ['image/jpeg', pdf, 'application/pdf', false],
    ['image/jpeg; charset=binary', png, 'image/png', false],
    ['image/jpeg', Buffer.from('<html>'), 'text/plain', true],
    ['application/pdf', Buffer.from([0, 1, 2]), 'application/octet-stream', true],
    ['nonsense', Buffer.from([0, 1, 2]), 'application/octet-stream', false],
    ['application/octet-stream', Buffer.from('text'), 'text/plain', false],
  ])('said to be %s', (declared, bytes, mimeType, lie) => {
    expect(settleType({ head: bytes, tail: bytes, declared })).toMatchObject({ mimeType, lie });
  });
});

describe('file names', () => {
  it.each([
    ['report.pdf', 'report.pdf'],
    ['/etc/passwd', 'passwd'],
    ['..\\..\\windows\\system.ini', 'system.ini'],
    ['../..', null],
    ['...hidden', 'hidden'],
    ['a\0b\nc.pdf', 'abc.pdf'],
    ['invoice\u202efdp.exe', 'invoicefdp.exe'],
    ['we<ir>d:"na|me?*.txt', 'weirdname.txt'],
    ['faktura – März.pdf', 'faktura – März.pdf'],
    [`${'x'.repeat(300)}.pdf`, `${'x'.repeat(116)}.pdf`],
    ['   ', null],
    ['', null],
  ])('%j becomes %j', (given, clean) => {
    expect(cleanFilename(given)).toBe(clean);
  });
});
