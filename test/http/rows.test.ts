import { Readable } from 'node:stream';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csvRows } from '../../src/http/csv.ts';
import { jsonRows, splitJson } from '../../src/http/json-rows.ts';
import { bytesOf, formParts } from '../../src/http/multipart.ts';
import { rowsOfSpool, rowsOfValue } from '../../src/http/rows.ts';
import { type Spool, createSpool, memorySpool } from '../../src/http/spool.ts';

/** A spool whose pieces are cut wherever it hurts. */
function cutSpool(bytes: Buffer, pieceBytes: number): Spool {
  async function* read(start = 0, end = bytes.length): AsyncGenerator<Buffer> {
    for (let at = start; at < end; at += pieceBytes) yield bytes.subarray(at, Math.min(at + pieceBytes, end));
  }
  return { ...memorySpool(bytes), read };
}

async function all(rows: AsyncIterable<unknown[]>): Promise<unknown[]> {
  const found: unknown[] = [];
  for await (const batch of rows) found.push(...batch);
  return found;
}

const csv = (text: string | Buffer, pieceBytes = 1024) => all(csvRows(cutSpool(Buffer.from(text), pieceBytes).read()));

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-spool-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe('a spool', () => {
  it('keeps a large body in a file that nobody sees, and gives any stretch of it, twice', async () => {
    const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251));
    const pieces = Array.from({ length: 300 }, (_, index) => bytes.subarray(index * 10_000, (index + 1) * 10_000));
    let counted = 0;
    const spool = await createSpool(Readable.from(pieces), { dir, count: (size) => (counted += size) });
    expect([spool.sizeBytes, counted, readdirSync(dir)]).toEqual([3_000_000, 3_000_000, []]);
    for (let turn = 0; turn < 2; turn += 1) {
      expect((await bytesOf(spool, 0, spool.sizeBytes)).equals(bytes)).toBe(true);
      expect((await bytesOf(spool, 1_234_567, 2_345_678)).equals(bytes.subarray(1_234_567, 2_345_678))).toBe(true);
    }
    const half = spool.read()[Symbol.asyncIterator]();
    await half.next();
    await spool.release();
    await expect(half.next()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('passes on what the count refuses', async () => {
    const refuse = () => {
      throw new Error('too much');
    };
    await expect(createSpool(Readable.from([Buffer.from('x')]), { dir, count: refuse })).rejects.toThrow('too much');
  });
});

describe('a long list in JSON', () => {
  const body = {
    message: 'Karibu "dukani" [a,b] {x|y} \\ 👋',
    recipients: [
      '255757111111',
      { phone_number: '2', variables: { name: 'A, ]"[ é' } },
      255757333333,
      null,
      ['x', [1]],
    ],
    other: { recipients: ['not these'], list: [1, 2] },
    names: ['recipients'],
  };
  const text = JSON.stringify(body);

  it.each([1, 2, 3, 7, 64, 4096])('is left where it lies, whatever the pieces (%d bytes)', async (pieceBytes) => {
    const spool = cutSpool(Buffer.from(text), pieceBytes);
    const { rest, list } = await splitJson(spool, 'recipients', 10_000);
    expect(JSON.parse(rest)).toEqual({ ...body, recipients: null });
    expect(await all(jsonRows(spool, list!.start, list!.end))).toEqual(body.recipients);
  });

  it('is found after a key with escapes, and absent where there is none', async () => {
    const escaped = cutSpool(Buffer.from('{ "rec\\u0069pients" : [ 1 , 2 ] , "a":"b"}'), 5);
    expect((await splitJson(escaped, 'recipients', 100)).list).not.toBeNull();
    for (const without of ['{"recipients":"1,2"}', '["recipients",[1]]', 'a=b', '', '{"a":["recipients"]}'])
      expect(await splitJson(memorySpool(Buffer.from(without)), 'recipients', 100)).toEqual({
        rest: without,
        list: null,
      });
  });

  it.each(['[1,,2]', '[1 2]', '[1,2', '[1,2}', '["a]', '[1]]'])('is refused when it is broken: %s', async (broken) => {
    for (const pieceBytes of [1, 3, 100])
      await expect(
        all(jsonRows(cutSpool(Buffer.from(broken), pieceBytes), 0, broken.length)),
        `${pieceBytes}`,
      ).rejects.toMatchObject({ code: 'malformed_body' });
  });

  it('may be empty', async () => {
    for (const empty of ['[]', ' [ ] '])
      expect(await all(await rowsOfSpool(memorySpool(Buffer.from(empty))))).toEqual([]);
  });

  it('is refused twice, or with too much beside it', async () => {
    const twice = memorySpool(Buffer.from('{"recipients":[1],"recipients":[2]}'));
    await expect(splitJson(twice, 'recipients', 100)).rejects.toMatchObject({ code: 'malformed_body' });
    const large = memorySpool(Buffer.from(JSON.stringify({ message: 'x'.repeat(500), recipients: [] })));
    await expect(splitJson(large, 'recipients', 100)).rejects.toMatchObject({ code: 'too_large' });
    const entry = memorySpool(Buffer.from(JSON.stringify(['x'.repeat(1_500_000)])));
    await expect(all(jsonRows(entry, 0, entry.sizeBytes))).rejects.toMatchObject({ code: 'too_large' });
  });

  it('comes in batches of at most a thousand, and can be read again', async () => {
    const numbers = Array.from({ length: 50_000 }, (_, index) => String(255757000000 + index));
    const rows = await rowsOfSpool(memorySpool(Buffer.from(JSON.stringify(numbers))));
    for (let turn = 0; turn < 2; turn += 1) {
      const sizes: number[] = [];
      for await (const batch of rows) sizes.push(batch.length);
      expect(Math.max(...sizes)).toBe(1_000);
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(50_000);
    }
  });
});

describe('a long list in CSV', () => {
  const rows = [
    { phone_number: '255757111111', name: 'Asha' },
    { phone_number: '255757222222', name: 'Juma, Jr. "JJ"' },
  ];

  it.each([1, 2, 3, 5, 1024])('is read whatever the pieces (%d bytes)', async (pieceBytes) => {
    const text = 'phone_number,name\r\n255757111111,Asha\r\n\r\n255757222222,"Juma, Jr. ""JJ"""\r\n';
    expect(await csv(text, pieceBytes)).toEqual(rows);
  });

  it.each([
    ['semicolons', 'phone_number;name\n255757111111;Asha\n255757222222;"Juma, Jr. ""JJ"""'],
    ['tabs', 'phone_number\tname\n255757111111\tAsha\n255757222222\t"Juma, Jr. ""JJ"""'],
    ['bars', 'phone_number|name\n255757111111|Asha\n255757222222|Juma, Jr. "JJ"'],
    ['old Mac line ends', 'phone_number,name\r255757111111,Asha\r255757222222,"Juma, Jr. ""JJ"""'],
    ['Excel’s sep line', 'sep=;\r\nphone_number;name\r\n255757111111;Asha\r\n255757222222;Juma, Jr. "JJ"'],
    ['a BOM', '\uFEFFphone_number,name\n255757111111,Asha\n255757222222,"Juma, Jr. ""JJ"""\n'],
    ['spaces around', ' phone_number , name \n 255757111111 , Asha \n255757222222,"Juma, Jr. ""JJ"""'],
  ])('may have %s', async (_what, text) => {
    expect(await csv(text)).toEqual(rows);
  });

  it('may have line breaks in quotes', async () => {
    expect(await csv('"phone\nnumber",note\n1234567,"a\r\nb"\n', 4)).toEqual([
      { 'phone\nnumber': '1234567', note: 'a\r\nb' },
    ]);
  });

  it('may be in UTF-8 cut within a letter, in UTF-16, or in Windows-1252', async () => {
    expect(await csv('name\nJosé 👋\nZoë', 1024)).toEqual([{ name: 'José 👋' }, { name: 'Zoë' }]);
    expect(await csv(Buffer.from('name\nJosé', 'utf8'), 8)).toEqual([{ name: 'José' }]);
    expect(await csv(Buffer.from('\uFEFFname\nJosé', 'utf16le'))).toEqual([{ name: 'José' }]);
    expect(await csv(Buffer.from('name\nJosé\nZoe', 'latin1'))).toEqual([{ name: 'José' }, { name: 'Zoe' }]);
  });

  it('may be bare numbers without a header', async () => {
    expect(await csv('255757111111\n+255 757 222 222\n')).toEqual(['255757111111', '+255 757 222 222']);
  });

  it('may lack cells or have too many', async () => {
    expect(await csv('a,b\n1\n1,2,3\n')).toEqual([
      { a: '1', b: '' },
      { a: '1', b: '2' },
    ]);
  });

  it('is refused with a quote that is never closed', async () => {
    await expect(csv('a,b\n1,"2\n3,4\n', 3)).rejects.toMatchObject({ code: 'malformed_body' });
  });

  it.each([
    ['a workbook', Buffer.from('PK\u0003\u0004\u0014\0\u0006\0\b\0\0\0!\0', 'latin1')],
    ['UTF-16 that does not say so', Buffer.from('phone;name\r\n255757111111;Asha\r\n', 'utf16le')],
    ['a file that is text only at its beginning', Buffer.from('phone,name\n255757111111,Asha\n\0\0')],
  ])('is refused when it is %s', async (_what, file) => {
    for (const pieceBytes of [3, 1024])
      await expect(csv(file, pieceBytes)).rejects.toMatchObject({
        code: 'malformed_body',
        message: 'The list is no text: save it as CSV, in UTF-8; a workbook such as .xlsx cannot be read',
      });
  });

  it('is empty without records', async () => {
    for (const text of ['', '\n\n', 'phone_number,name\n']) expect(await csv(text)).toEqual([]);
  });
});

describe('a multipart form', () => {
  it.each([1, 7, 50, 4096])('tells where its parts lie (pieces of %d bytes)', async (pieceBytes) => {
    const form = new FormData();
    form.set('campaign', 'WAP-CAM-0001');
    form.set('recipients', new File(['phone_number\r\n--xyz\r\n1'], 'list "1".csv', { type: 'text/csv' }));
    form.set('empty', '');
    const response = new Response(form);
    const contentType = response.headers.get('content-type')!;
    const spool = cutSpool(Buffer.from(await response.arrayBuffer()), pieceBytes);
    const parts = await formParts(spool, contentType);
    expect(parts.map(({ name, filename }) => [name, filename])).toEqual([
      ['campaign', null],
      ['recipients', 'list "1".csv'],
      ['empty', null],
    ]);
    const texts = await Promise.all(parts.map(async ({ start, end }) => String(await bytesOf(spool, start, end))));
    expect(texts).toEqual(['WAP-CAM-0001', 'phone_number\r\n--xyz\r\n1', '']);
  });

  it.each([
    ['no boundary', 'multipart/form-data', '--x\r\n'],
    ['no end', 'multipart/form-data; boundary=x', '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb'],
    ['no header end', 'multipart/form-data; boundary=x', '--x\r\nabc\r\n--x--'],
  ])('is refused with %s', async (_what, contentType, text) => {
    await expect(formParts(memorySpool(Buffer.from(text)), contentType)).rejects.toMatchObject({
      code: 'malformed_body',
    });
  });
});

describe('the list that a parameter means', () => {
  it.each([
    [
      ['1', { phone_number: '2' }],
      ['1', { phone_number: '2' }],
    ],
    ['["1","2"]', ['1', '2']],
    ['255757111111, 255757222222;255757333333', ['255757111111', '255757222222', '255757333333']],
    ['phone_number,name\n1,Asha', [{ phone_number: '1', name: 'Asha' }]],
    [255757111111, [255757111111]],
    [{ filename: 'a.csv', mimeType: 'text/csv', data: Buffer.from('phone\n1') }, [{ phone: '1' }]],
  ])('%j', async (value, expected) => {
    expect(await all(rowsOfValue(value)!)).toEqual(expected);
  });

  it('is none for other values', () => {
    for (const value of [true, {}, null, undefined]) expect(rowsOfValue(value)).toBeNull();
  });
});
