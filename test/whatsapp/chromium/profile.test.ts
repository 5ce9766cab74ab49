import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openProfile, removeProfile } from '../../../src/whatsapp/chromium/profile.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-chromium-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

describe('openProfile', () => {
  it('removes what a killed browser or another container left, so that Chromium starts', async () => {
    const profile = join(dir, 'INST-01-0000001');
    await (await openProfile(profile)).release();
    for (const target of [`${hostname()}-${deadPid}`, 'another-host-7', `${hostname()}-${process.pid}`]) {
      for (const name of ['SingletonLock', 'SingletonSocket', 'SingletonCookie'])
        await symlink(target, join(profile, name));
      const lock = await openProfile(profile);
      expect(await readdir(profile)).toEqual([]);
      await lock.release();
    }
  });

  it('refuses a profile that this gateway has open already, without telling anybody to stop this very process', async () => {
    const profile = join(dir, 'INST-01-0000001');
    const lock = await openProfile(profile);
    await expect(openProfile(profile)).rejects.toThrow(
      `The browser profile ${profile} is still in use by another browser of this gateway`,
    );
    await lock.release();
    await removeProfile(profile);
    expect(await readdir(dir)).toEqual([]);
  });
});

/** Larger than any pid that Linux or macOS gives out. */
const deadPid = 2 ** 22 + 1;
