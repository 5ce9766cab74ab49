import { describe, expect, it } from 'vitest';
import { decodeBase64 } from '../../../src/core/media/base64.ts';

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
