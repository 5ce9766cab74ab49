import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultArgs } from 'puppeteer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findBrowser, headlessMode } from '../../../src/whatsapp/chromium/find.ts';
import { browserArgs, sandboxPossible } from '../../../src/whatsapp/chromium/flags.ts';
import { killOrphans, openProfile } from '../../../src/whatsapp/chromium/profile.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-chromium-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

describe.runIf(process.platform === 'linux')('killOrphans', () => {
  const started: ChildProcess[] = [];

  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
  });

  it('ends browsers with our marker in our data folder, and no others', async () => {
    const own = await pretendBrowser('INST-01-0000001', join(dir, 'profiles', 'a'));
    const ownLonger = await pretendBrowser('INST-01-00000011', join(dir, 'profiles', 'b'));
    const elsewhere = await pretendBrowser('INST-01-0000001', `${dir}-other/profiles/a`);
    const unmarked = await pretendBrowser(null, join(dir, 'profiles', 'c'));

    expect(await killOrphans({ dataDir: dir, instanceId: 'INST-01-0000001' })).toEqual([own.pid]);
    await expect.poll(() => [own, ownLonger, elsewhere, unmarked].map(isRunning)).toEqual([false, true, true, true]);
    expect(await killOrphans({ dataDir: dir })).toEqual([ownLonger.pid]);
  });

  it('kills one that does not end by itself', async () => {
    const child = await pretendBrowser(
      'INST-01-0000001',
      join(dir, 'profiles', 'a'),
      "process.on('SIGTERM', () => {});",
    );
    const exited = once(child, 'exit');
    expect(await killOrphans({ dataDir: dir, graceMs: 200 })).toEqual([child.pid]);
    expect(await exited).toEqual([null, 'SIGKILL']);
  });

  it('ends a real browser whose gateway is gone, and its profile opens again', async () => {
    const browser = findBrowser({ chromiumPath: process.env.CHROMIUM_PATH || null });
    if (!browser) throw new Error('no browser: run `npm run browser`');
    const profile = join(dir, 'profiles', 'INST-01-0000001');
    await (await openProfile(profile)).release();
    const args = browserArgs({ kind: browser.kind, sandboxPossible: sandboxPossible(), instanceId: 'INST-01-0000001' });
    const defaults = defaultArgs({ args, headless: headlessMode(browser.kind), userDataDir: profile });
    const orphan = spawn(browser.path, [...defaults, '--remote-debugging-port=0'], { stdio: 'ignore' });
    started.push(orphan);
    const exited = once(orphan, 'exit');
    await expect.poll(() => existsSync(join(profile, 'DevToolsActivePort')), { timeout: 20_000 }).toBe(true);
    expect(await killOrphans({ dataDir: dir })).toContain(orphan.pid);
    await exited;
    await (await openProfile(profile)).release();
  });

  async function pretendBrowser(instanceId: string | null, userDataDir: string, code = ''): Promise<ChildProcess> {
    const marker = instanceId === null ? [] : [`--wapbridge-instance=${instanceId}`];
    const script = `${code} process.stdout.write('up'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['-e', script, '--', ...marker, `--user-data-dir=${userDataDir}`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    started.push(child);
    await once(child.stdout, 'data');
    return child;
  }
});

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
