import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWebVersions, type WebVersions } from '../../src/whatsapp/web-versions.ts';
import { createClientBed } from './linked-client.ts';

const html = '<!doctype html><html lang="en"></html>';
let dir: string;
let versions: WebVersions;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-web-'));
  versions = createWebVersions({ dir: join(dir, 'cache'), forced: null });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Records a page as if so many days ago. */
async function record(version: string, daysAgo: number): Promise<void> {
  await versions.save(version, html);
  const at = Date.now() / 1000 - daysAgo * 86_400;
  await utimes(join(dir, 'cache', `${version}.html`), at, at);
}

describe('recorded pages', () => {
  it('are none in a folder that is not there yet', async () => {
    expect(await versions.list()).toEqual([]);
    expect(await versions.page()).toEqual({ version: null, cacheDir: join(dir, 'cache') });
  });

  it('are kept once each, as the library reads them', async () => {
    expect(await versions.save('2.3000.1', html)).toBe(true);
    expect(await versions.save('2.3000.1', `${html}2`)).toBe(false);
    expect(await versions.list()).toMatchObject([{ version: '2.3000.1', sizeBytes: html.length, isPinned: false }]);
    expect(await readdir(join(dir, 'cache'))).toEqual(['2.3000.1.html']);
  });

  it('stay within the folder and are pages', async () => {
    await expect(versions.save('../evil', html)).rejects.toThrow('no version');
    await expect(versions.save('2.3000.1', '{"error":1}')).rejects.toThrow('no page');
    await expect(versions.pin('../evil')).rejects.toThrow('not recorded');
  });

  it('are the newest five, and what is pinned', async () => {
    await record('2.3000.0', 9);
    await versions.pin('2.3000.0');
    for (let number = 1; number <= 7; number += 1) await record(`2.3000.${number}`, 8 - number);
    expect((await versions.list()).map(({ version }) => version)).toEqual([
      '2.3000.7',
      '2.3000.6',
      '2.3000.5',
      '2.3000.4',
      '2.3000.3',
      '2.3000.0',
    ]);
  });

  it('are opened when they are pinned, until they are not any more', async () => {
    await expect(versions.pin('2.3000.1')).rejects.toThrow('2.3000.1 is not recorded');
    await versions.save('2.3000.1', html);
    await versions.pin('2.3000.1');
    const other = createWebVersions({ dir: join(dir, 'cache'), forced: null });
    expect((await other.page()).version).toBe('2.3000.1');
    expect(await other.list()).toMatchObject([{ isPinned: true }]);
    await versions.unpin();
    expect((await other.page()).version).toBeNull();
  });

  it('are outweighed by the one that the configuration names', async () => {
    await versions.save('2.3000.1', html);
    await versions.pin('2.3000.1');
    const forced = createWebVersions({ dir: join(dir, 'cache'), forced: '2.3000.9' });
    expect((await forced.page()).version).toBe('2.3000.9');
  });

  it('are not pinned by a file that says something else', async () => {
    await versions.save('2.3000.1', html);
    await writeFile(join(dir, 'cache', 'pinned'), '../../etc/passwd');
    expect((await versions.page()).version).toBeNull();
  });
});

it('is told of a page before anybody has linked it', async () => {
  const bed = await createClientBed({ ready: false, scan: false });
  try {
    expect((await bed.client.webPage()).version).toMatch(/^2\.3000\./);
  } finally {
    await bed.close();
  }
});

it('says which page is not there', async () => {
  await expect(createClientBed({ web: async () => ({ version: '2.3000.9', cacheDir: dir }) })).rejects.toThrow(
    `The page 2.3000.9 of WhatsApp Web is not in ${dir}`,
  );
});

it('leaves alone what the workers of a pinned page ask of other hosts', async () => {
  const bed = await createClientBed({ drift: ['backend-worker'] });
  try {
    expect(await bed.client.probe(3_000)).toBe('CONNECTED');
  } finally {
    await bed.close();
  }
});

it('takes the live page, and runs from it when the live one cannot be reached any more', async () => {
  let isOffline = false;
  const bed = await createClientBed({
    drift: ['service-worker'],
    web: () => versions.page(),
    chromiumArgs: ({ web }) =>
      isOffline
        ? web.chromiumArgs.map((arg) =>
            arg.replace(/^(--host-resolver-rules=).*/, '$1MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'),
          )
        : web.chromiumArgs,
  });
  try {
    const { version, html: live } = await bed.client.webPage();
    expect(live).toContain('WhatsApp sandbox');
    await versions.save(version, live);
    isOffline = true;
    await expect(bed.restart()).rejects.toThrow(/ERR_NAME_NOT_RESOLVED/);
    await versions.pin(version);
    await bed.restart();
    expect(await bed.client.webPage()).toEqual({ version, html: live });
    expect(await bed.client.probe(3_000)).toBe('CONNECTED');
  } finally {
    await bed.close();
  }
});
