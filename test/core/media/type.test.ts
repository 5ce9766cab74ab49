import { describe, expect, it } from 'vitest';
import { cleanFilename, settleType } from '../../../src/core/media/type.ts';

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);
const pdf = Buffer.from('%PDF-1.4\n%âãÏÓ\n1 0 obj\n');

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
