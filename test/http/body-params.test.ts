import { describe, expect, it } from 'vitest';
import { parseBody } from '../../src/http/body-params.ts';
import { GatewayError } from '../../src/model/errors.ts';

const parse = (text: string | Buffer, type = '') => parseBody(Buffer.from(text as string), type);
const form = 'application/x-www-form-urlencoded';

describe('parseBody', () => {
  it.each([
    ['nothing', '', 'application/json', {}],
    ['white space', ' \n', 'application/json', {}],
    ['JSON', '{"a": [1], "b": null}', 'application/json; charset=utf-8', { a: [1], b: null }],
    ['JSON with a byte order mark', '\uFEFF{"a":1}', 'application/json', { a: 1 }],
    ['JSON under a vendor’s type', '{"a":1}', 'application/vnd.api+json', { a: 1 }],
    ['JSON without a label', '{"a":1}', '', { a: 1 }],
    ['JSON labelled as a form, as curl -d does', '{"a":1}', form, { a: 1 }],
    ['a list', '[1,2]', 'application/json', { data: [1, 2] }],
    ['a form', 'a=1+2&b=%C3%A0&a=3', form, { a: '1 2', b: 'à' }],
    ['a form whose value looks like JSON', '5=1', form, { '5': '1' }],
    ['a form labelled as JSON', 'a=1+2&b=%7B', 'application/json', { a: '1 2', b: '{' }],
    ['a form without a label', 'a=1&b=2', '', { a: '1', b: '2' }],
    ['one bare name in a form', 'abc', form, { abc: '' }],
  ])('reads %s', async (_name, text, type, expected) => {
    expect(await parse(text, type)).toEqual(expected);
  });

  it('reads other character sets by their name', async () => {
    expect(await parse(Buffer.from('{"a":"\u00fc"}', 'latin1'), 'application/json; charset=iso-8859-1')).toEqual({
      a: 'ü',
    });
  });

  it.each([
    ['broken JSON', '{"a":', 'application/json'],
    ['broken JSON with an equals sign', '{"a": "b=c"', 'application/json'],
    ['HTML', '<a href="x">', 'application/json'],
    ['a number', '12', 'application/json'],
    ['null', 'null', 'application/json'],
    ['an unknown character set', '{}', 'application/json; charset=klingon'],
    ['a multipart form without a boundary', '--x', 'multipart/form-data'],
    [
      'a multipart form that breaks off',
      '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nab',
      'multipart/form-data; boundary=x',
    ],
  ])('refuses %s', async (_name, text, type) => {
    const error = await parse(text, type).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GatewayError);
    expect((error as GatewayError).code).toBe('malformed_body');
  });

  it('reads multipart forms as Python’s requests and curl write them', async () => {
    const body = [
      '--b',
      'Content-Disposition: form-data; name="to_number"',
      '',
      '+255755123456',
      '--b',
      'Content-Disposition: form-data; name="file"; filename="a \u00fc.pdf"',
      'Content-Type: application/pdf',
      '',
      '%PDF-1.4\r\n--not the end',
      '--b--',
      '',
    ].join('\r\n');
    const params = await parse(body, 'multipart/form-data; boundary=b');
    expect(params.to_number).toBe('+255755123456');
    expect(params.file).toEqual({
      filename: 'a ü.pdf',
      mimeType: 'application/pdf',
      data: Buffer.from('%PDF-1.4\r\n--not the end'),
    });
  });

  it('keeps prototype names as plain fields', async () => {
    const params = await parse('__proto__=x&a=1', form);
    expect(Object.keys(params)).toEqual(['__proto__', 'a']);
    expect(Object.getPrototypeOf(params)).toBe(Object.prototype);
  });
});
