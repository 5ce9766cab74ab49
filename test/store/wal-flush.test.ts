import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createWalFlush } from '../../src/store/wal-flush.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-wal-'));
});
afterEach(() => rm(dir, { recursive: true }));

it('flushes again after a flush that failed, also for those who waited behind it', async () => {
  const flushed = createWalFlush(join(dir, 'gateway.sqlite'));
  const failed = await Promise.allSettled([flushed(), flushed(), flushed()]);
  expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  await writeFile(join(dir, 'gateway.sqlite-wal'), '');
  const later = await Promise.allSettled([flushed(), flushed(), flushed()]);
  expect(later.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
});
