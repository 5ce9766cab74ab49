import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { cleanCaches } from '../../../src/whatsapp/chromium/caches.ts';
import { keepCopy, removeCopies, restoreCopy, trustCopy } from '../../../src/whatsapp/chromium/copies.ts';

const database = 'Default/IndexedDB/https_web.whatsapp.com_0.indexeddb.leveldb';
const dayMs = 86_400_000;

let dir: string;
let profile: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-copies-'));
  profile = join(dir, 'INST-01-0000001');
  await write(`${database}/000005.ldb`, 'table');
  await write(`${database}/000006.log`, 'log');
  await write('Default/Cookies', 'cookies');
  await write('Default/Cache/Cache_Data/f_000001', 'cache');
  await write('Default/GPUCache/index', 'gpu');
});

afterEach(() => rm(dir, { recursive: true, force: true }));

async function write(name: string, text: string): Promise<void> {
  await mkdir(join(profile, name, '..'), { recursive: true });
  await writeFile(join(profile, name), text);
}

const inode = async (path: string) => (await stat(path)).ino;

it('copies what holds the login and nothing else; tables are shared, what may change is not', async () => {
  await keepCopy(profile, 1);
  const copy = `${profile}.copy.1`;
  expect(await readdir(join(copy, 'Default'))).toEqual(['Cookies', 'IndexedDB']);
  expect(await inode(join(copy, database, '000005.ldb'))).toBe(await inode(join(profile, database, '000005.ldb')));
  expect(await inode(join(copy, database, '000006.log'))).not.toBe(await inode(join(profile, database, '000006.log')));
  await write(`${database}/000006.log`, 'changed');
  expect(await readFile(join(copy, database, '000006.log'), 'utf8')).toBe('log');
});

it('keeps copies from other users, as Chromium does with the profile', async () => {
  await keepCopy(profile, 1);
  for (const folder of ['', 'Default', database])
    expect((await stat(join(`${profile}.copy.1`, folder))).mode & 0o777).toBe(0o700);
});

it('uses the latest copy first and each once', async () => {
  for (const at of [1, 2, 3]) {
    await write('Default/Cookies', `cookies ${at}`);
    await keepCopy(profile, at);
  }
  const cookies = () => readFile(join(profile, 'Default/Cookies'), 'utf8');
  expect([await restoreCopy(profile, 4), await cookies()]).toEqual([true, 'cookies 3']);
  expect([await restoreCopy(profile, 4), await cookies()]).toEqual([true, 'cookies 2']);
  expect(await restoreCopy(profile, 4)).toBe(false);
  expect(await cookies()).toBe('cookies 2');
});

it('uses a copy again that has helped, and forgets it at the next good end', async () => {
  await keepCopy(profile, 1);
  for (const at of [2, 3]) {
    await write('Default/Cookies', 'damaged');
    await write(`${database}/000006.log`, 'damaged');
    expect(await restoreCopy(profile, at)).toBe(true);
    expect(await readFile(join(profile, 'Default/Cookies'), 'utf8')).toBe('cookies');
    expect(await readFile(join(profile, database, '000006.log'), 'utf8')).toBe('log');
    await trustCopy(profile);
  }
  expect(await restoreCopy(profile, 4)).toBe(true);
  expect(await restoreCopy(profile, 5)).toBe(false);
  await keepCopy(profile, 6);
  expect(await readdir(dir)).toEqual(['INST-01-0000001', 'INST-01-0000001.copy.6']);
});

it('restores a profile that is not there at all', async () => {
  await keepCopy(profile, 1);
  await rm(profile, { recursive: true });
  expect(await restoreCopy(profile, 2)).toBe(true);
});

it('does not go back further than two weeks', async () => {
  await keepCopy(profile, 1);
  expect(await restoreCopy(profile, 1 + 15 * dayMs)).toBe(false);
});

it('leaves a former copy alone when a new one cannot be made', async () => {
  await keepCopy(profile, 1);
  await rm(profile, { recursive: true });
  await expect(keepCopy(profile, 2)).rejects.toThrow();
  expect(await readdir(dir)).toEqual(['INST-01-0000001.copy.1']);
});

it('removes every copy, and only of this profile', async () => {
  await keepCopy(profile, 1);
  await mkdir(`${profile}1.copy.1`);
  await restoreCopy(profile, 2);
  await keepCopy(profile, 3);
  await removeCopies(profile);
  expect(await readdir(dir)).toEqual(['INST-01-0000001', 'INST-01-00000011.copy.1']);
});

it('removes caches that nobody misses at once, others when they are large', async () => {
  await cleanCaches(profile);
  expect(await readdir(join(profile, 'Default'))).toEqual(['Cache', 'Cookies', 'IndexedDB']);
  await writeFile(join(profile, 'Default/Cache/Cache_Data/f_000002'), Buffer.alloc(201 * 2 ** 20));
  await cleanCaches(profile);
  expect(await readdir(join(profile, 'Default'))).toEqual(['Cookies', 'IndexedDB']);
});
