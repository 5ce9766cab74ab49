import type { LookupAddress } from 'node:dns';
import { expect, it } from 'vitest';
import { createLookup } from '../src/outbound-dns.ts';

const found = [{ address: '93.184.216.34', family: 4 }];

/** A resolver that answers when it is told to. */
function build() {
  const asked: string[] = [];
  const open = new Map<string, { resolve(answer: LookupAddress[]): void; reject(error: Error): void }>();
  const lookup = createLookup((hostname) => {
    asked.push(hostname);
    return new Promise((resolve, reject) => open.set(hostname, { resolve, reject }));
  });
  return { asked, open, lookup };
}

const soon = () => new Promise((resolve) => setImmediate(resolve));

it('asks for two names at a time, so that dead name servers leave the threads that files need', async () => {
  const { asked, open, lookup } = build();
  const answers = ['a.test', 'b.test', 'c.test', 'd.test'].map((name) => lookup(name).catch(() => null));
  await soon();
  expect(asked).toEqual(['a.test', 'b.test']);
  open.get('b.test')!.resolve(found);
  expect(await answers[1]).toEqual(found);
  await soon();
  expect(asked).toEqual(['a.test', 'b.test', 'c.test']);
  open.get('a.test')!.reject(new Error('no such name'));
  await soon();
  expect(asked.at(-1)).toBe('d.test');
  for (const name of ['c.test', 'd.test']) open.get(name)!.resolve(found);
  expect(await Promise.all(answers)).toEqual([null, found, found, found]);
});

it('asks once for a name that many want, and anew for the next one', async () => {
  const { asked, open, lookup } = build();
  const answers = [lookup('a.test'), lookup('a.test'), lookup('a.test')];
  await soon();
  expect(asked).toEqual(['a.test']);
  open.get('a.test')!.resolve(found);
  expect(await Promise.all(answers)).toEqual([found, found, found]);
  void lookup('a.test');
  await soon();
  expect(asked).toEqual(['a.test', 'a.test']);
});
