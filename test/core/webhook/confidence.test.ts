import { expect, it } from 'vitest';
import { withoutConfidences, withoutQuery } from '../../../src/core/webhook/confidence.ts';

const url = 'https://erp.example.com/hook?key=query-secret&n=1';
const keys = {
  secret: 'whsec_now-secret',
  oldSecrets: [{ secret: 'then-secret', until: 1 }],
  headers: { 'x-key': 'header-secret', 'x-short': 'ok' },
};
const shown = (text: string) => withoutConfidences(text, { url, keys });

it('hides every secret that a receiver was told, wherever it says it', () => {
  expect(shown('a whsec_now-secret, then-secret; header-secret header-secret ?key=query-secret')).toBe(
    'a [hidden], [hidden]; [hidden] [hidden] ?key=[hidden]',
  );
});

it('hides the beginning of a secret in which the kept text ends', () => {
  expect(shown('Got x-key: header-se')).toBe('Got x-key: [hidden]');
  expect(shown('Got secret: whsec_now-secre')).toBe('Got secret: [hidden]');
});

it('leaves everything else as it is, also what is too short to be a secret', () => {
  const text = 'ok 1 secret-header now-secre hea';
  expect(shown(text)).toBe(text);
  expect(withoutConfidences('', { url, keys })).toBe('');
});

it('shows an address without the values of its query', () => {
  expect(withoutQuery(url)).toBe('https://erp.example.com/hook?…');
  expect(withoutQuery('http://127.0.0.1:8000/a/b')).toBe('http://127.0.0.1:8000/a/b');
});
