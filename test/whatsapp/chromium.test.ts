import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultArgs } from 'puppeteer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findBrowser, headlessMode, type FileLookup } from '../../src/whatsapp/chromium/find.ts';
import { browserArgs, sandboxPossible, type SandboxProbe } from '../../src/whatsapp/chromium/flags.ts';
import { ensureBrowser, type InstallDeps } from '../../src/whatsapp/chromium/install.ts';
import { processStart, takeLock, thisProcess, type LockOwner } from '../../src/whatsapp/chromium/lock.ts';
import { killOrphans, lockDataDir, openProfile, removeProfile } from '../../src/whatsapp/chromium/profile.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-chromium-'));
});

afterEach(async () => {
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

describe('findBrowser', () => {
  const find = (paths: string[], options: Partial<Parameters<typeof findBrowser>[0]> = {}) =>
    findBrowser({ platform: 'linux', homeDir: '/home/me', files: fakeFiles(paths), ...options });

  it('prefers the headless shell to Chromium and Chromium to Chrome', () => {
    const all = [
      '/opt/google/chrome/chrome',
      '/usr/lib/chromium/chromium',
      '/usr/lib/chromium/chromium-headless-shell',
    ];
    expect(find(all)).toEqual({ path: all[2], kind: 'shell' });
    expect(find(all.slice(0, 2))).toEqual({ path: all[1], kind: 'chromium' });
    expect(find(all.slice(0, 1))).toEqual({ path: all[0], kind: 'chrome' });
    expect(find([])).toBeNull();
  });

  it('takes the newest headless shell of puppeteer’s cache before an installed Chromium', () => {
    const shell = (version: string) =>
      `/home/me/.cache/puppeteer/chrome-headless-shell/linux-${version}/chrome-headless-shell-linux64/chrome-headless-shell`;
    const found = find([shell('99.0.1.2'), shell('146.0.7680.31'), '/usr/bin/chromium']);
    expect(found).toEqual({ path: shell('146.0.7680.31'), kind: 'shell', version: '146.0.7680.31' });
  });

  it('finds Chrome in the usual places of macOS and Windows', () => {
    const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
    expect(find([mac], { platform: 'darwin' })).toEqual({ path: mac, kind: 'chrome' });
    const windows = 'C:\\Users\\me\\AppData\\Local\\Google\\Chrome\\Application\\chrome.exe';
    expect(find([windows], { platform: 'win32', homeDir: 'C:\\Users\\me' })).toEqual({ path: windows, kind: 'chrome' });
  });

  it('takes the binary behind Debian’s script, which a kill would not reach', () => {
    const script = '/usr/bin/chromium-headless-shell';
    const binary = '/usr/lib/chromium/chromium-headless-shell';
    expect(find([script, binary], { chromiumPath: script })).toEqual({ path: binary, kind: 'shell' });
    expect(find([script], { chromiumPath: script })).toEqual({ path: script, kind: 'shell' });
  });

  it('uses CHROMIUM_PATH and nothing else, and says so when it names no file', () => {
    expect(
      find(['/opt/my/chrome', '/usr/lib/chromium/chromium-headless-shell'], { chromiumPath: '/opt/my/chrome' }),
    ).toEqual({
      path: '/opt/my/chrome',
      kind: 'chrome',
    });
    expect(() => find(['/usr/bin/chromium'], { chromiumPath: '/opt/none' })).toThrow(
      'CHROMIUM_PATH names /opt/none, and there is no such file',
    );
  });
});

describe('browserArgs', () => {
  const args = (input: Partial<Parameters<typeof browserArgs>[0]> = {}) =>
    browserArgs({ kind: 'shell', sandboxPossible: true, instanceId: 'INST-01-0000001', ...input });

  it('keeps the sandbox where it is possible', () => {
    expect(args()).not.toContain('--no-sandbox');
    expect(args({ sandboxPossible: false })).toContain('--no-sandbox');
  });

  it('never fuses full Chromium to the point where it is not safe', () => {
    expect(args({ kind: 'chromium', sandboxPossible: false })).not.toContain('--no-zygote');
    expect(args({ kind: 'shell', sandboxPossible: true })).not.toContain('--no-zygote');
    expect(args()).not.toContain('--single-process');
  });

  it('joins the features of CHROMIUM_ARGS to its own, because Chromium obeys one switch only', () => {
    const result = args({ extra: ['--disable-features=Foo,Bar', '--proxy-server=http://127.0.0.1:3128'] });
    const features = result.filter((arg) => arg.startsWith('--disable-features='));
    expect(features).toHaveLength(1);
    expect(features[0]).toMatch(/Translate.*,Foo,Bar$/);
    expect(result.at(-1)).toBe('--proxy-server=http://127.0.0.1:3128');
  });

  it('marks the browser with its instance', () => {
    expect(args()).toContain('--wapbridge-instance=INST-01-0000001');
  });
});

describe('sandboxPossible', () => {
  const probe = (changes: Partial<SandboxProbe>): SandboxProbe => ({
    platform: 'linux',
    isRoot: false,
    tryUnshare: () => 0,
    read: () => null,
    ...changes,
  });

  it('is false for root and where namespaces are refused', () => {
    expect(sandboxPossible(probe({}))).toBe(true);
    expect(sandboxPossible(probe({ isRoot: true }))).toBe(false);
    expect(sandboxPossible(probe({ tryUnshare: () => 1 }))).toBe(false);
    expect(sandboxPossible(probe({ platform: 'darwin', isRoot: true }))).toBe(true);
  });

  it('reads the kernel’s settings where it cannot be tried out', () => {
    const read = (path: string) => (path.endsWith('apparmor_restrict_unprivileged_userns') ? '1' : null);
    expect(sandboxPossible(probe({ tryUnshare: () => null }))).toBe(true);
    expect(sandboxPossible(probe({ tryUnshare: () => null, read }))).toBe(false);
  });
});

describe('ensureBrowser', () => {
  const shell = { path: '/usr/lib/chromium/chromium-headless-shell', kind: 'shell' } as const;

  /** A machine on which a browser appears once a command with this text has run. */
  function machine(appearsAfter: string | null, changes: Partial<InstallDeps> = {}) {
    const ran: string[] = [];
    const said: string[] = [];
    const deps: InstallDeps = {
      find: () => (appearsAfter !== null && ran.some((line) => line.includes(appearsAfter)) ? shell : null),
      platform: 'linux',
      arch: 'x64',
      isRoot: true,
      distribution: 'ID=debian',
      run(command, args) {
        const line = [command, ...args].join(' ');
        ran.push(line);
        return Promise.resolve(appearsAfter !== null && line.includes(appearsAfter) ? 0 : 100);
      },
      version: () => Promise.resolve('Chromium 156'),
      say: (line) => said.push(line),
      ...changes,
    };
    return { deps, ran, said };
  }

  it('installs nothing when there is a browser', async () => {
    const { deps, ran } = machine(null, { find: () => shell });
    expect(await ensureBrowser(deps)).toBe(shell);
    expect(ran).toEqual([]);
  });

  it('installs Debian’s headless shell as root', async () => {
    const { deps, ran } = machine('install -y --no-install-recommends chromium-headless-shell');
    expect(await ensureBrowser(deps)).toBe(shell);
    expect(ran).toEqual(['apt-get update', 'apt-get install -y --no-install-recommends chromium-headless-shell']);
  });

  it('downloads puppeteer’s own when there is no such package or no root', async () => {
    const ubuntu = machine('browsers install chrome-headless-shell', { distribution: 'ID=ubuntu' });
    expect(await ensureBrowser(ubuntu.deps)).toBe(shell);
    expect(ubuntu.ran.at(-1)).toContain('--install-deps');

    const user = machine('browsers install chrome-headless-shell', { isRoot: false });
    expect(await ensureBrowser(user.deps)).toBe(shell);
    expect(user.ran).toHaveLength(1);
  });

  it('says in one sentence what to do when nothing worked', async () => {
    const { deps, ran } = machine(null, { isRoot: false, arch: 'arm64' });
    await expect(ensureBrowser(deps)).rejects.toThrow(
      /^There is no browser.*sudo apt-get install chromium-headless-shell.*CHROMIUM_PATH.*\.$/,
    );
    expect(ran).toEqual([]);
  });

  it('does not take a browser that cannot start for an installed one', async () => {
    const { deps, said } = machine('browsers install', {
      isRoot: false,
      version: () => Promise.reject(new Error('libnss3.so: cannot open shared object file')),
    });
    await expect(ensureBrowser(deps)).rejects.toThrow('There is no browser');
    expect(said.join('\n')).toContain('libnss3.so');
  });
});

describe('lockDataDir', () => {
  it('refuses a second gateway with a sentence that names the process, and lets it in after a release', async () => {
    const lock = await lockDataDir(dir);
    await expect(lockDataDir(dir)).rejects.toThrow(
      `Another gateway (process ${process.pid} on ${hostname()}) uses the data folder ${dir}`,
    );
    await lock.release();
    await (await lockDataDir(dir)).release();
  });

  it('makes the folder and those above it', async () => {
    await (await lockDataDir(join(dir, 'a', 'b'))).release();
    expect(existsSync(join(dir, 'a', 'b'))).toBe(true);
  });

  it.runIf(process.platform === 'linux')(
    'says that the folder cannot be made, also where trying again has no end',
    async () => {
      await writeFile(join(dir, 'file'), '');
      for (const place of [join(dir, 'file', 'data'), '/proc/data'])
        await expect(lockDataDir(place)).rejects.toThrow(`The data folder ${place} cannot be made: `);
    },
  );

  it('takes over from a process that was killed', async () => {
    const holder = await startHolder();
    await expect(lockDataDir(dir)).rejects.toThrow(`process ${holder.pid}`);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    await (await lockDataDir(dir)).release();
  });

  it('takes over when the pid belongs to another process by now', async () => {
    await writeOwner({ ...thisProcess(), processStart: '1' });
    const taking = lockDataDir(dir);
    if (processStart(process.pid) === null) await expect(taking).rejects.toThrow('Another gateway');
    else await (await taking).release();
  });

  it('lets exactly one of many processes take over a dead holder’s lock', async () => {
    await writeOwner({ ...thisProcess(), pid: deadPid });
    const attempts = await Promise.allSettled(
      Array.from({ length: 40 }, (_, index) => {
        const owner = { ...thisProcess(), pid: process.pid };
        return takeLock(join(dir, 'gateway.lock'), { owner, refusal: () => `refused ${index}` });
      }),
    );
    const won = attempts.filter((attempt) => attempt.status === 'fulfilled');
    expect(won).toHaveLength(1);
    await won[0]?.value.release();
  });

  it('waits for a holder in another container until it is sure that it is gone', async () => {
    const file = await writeOwner({ ...thisProcess(), host: 'another-host', pid: 1 });
    const options = { heartbeatMs: 500, refusal: () => 'held elsewhere' };
    const beating = setInterval(() => void utimes(file, new Date(), new Date()), 20);
    await expect(takeLock(join(dir, 'gateway.lock'), options)).rejects.toThrow('held elsewhere');
    clearInterval(beating);
    await (await takeLock(join(dir, 'gateway.lock'), options)).release();
  });

  it('does not wait for ever for a dead one whose last sign of life lies ahead, because the clock was set back', async () => {
    const file = await writeOwner({ ...thisProcess(), host: 'another-host', pid: 1 });
    const ahead = new Date(Date.now() + 3 * 3_600_000);
    await utimes(file, ahead, ahead);
    await (await takeLock(join(dir, 'gateway.lock'), { heartbeatMs: 50, refusal: () => 'held elsewhere' })).release();
  });

  it('waits for one that is just being written', async () => {
    const file = join(dir, 'gateway.lock.1');
    await writeFile(file, '');
    setTimeout(() => void writeFile(file, JSON.stringify(thisProcess())), 100);
    await expect(lockDataDir(dir)).rejects.toThrow('Another gateway');
  });

  it('leaves no pile of files behind', async () => {
    for (let round = 0; round < 5; round += 1) await (await lockDataDir(dir)).release();
    expect((await readdir(dir)).length).toBeLessThanOrEqual(2);
  });

  /** Another Node process that holds the lock of `dir`. */
  async function startHolder(): Promise<ChildProcess & { pid: number }> {
    const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    await once(holder, 'spawn');
    const pid = holder.pid ?? 0;
    await writeOwner({ ...thisProcess(), pid, processStart: processStart(pid) });
    return holder as ChildProcess & { pid: number };
  }

  async function writeOwner(owner: LockOwner): Promise<string> {
    const file = join(dir, 'gateway.lock.1');
    await writeFile(file, JSON.stringify(owner));
    return file;
  }
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

/** Larger than any pid that Linux or macOS gives out. */
const deadPid = 2 ** 22 + 1;

function fakeFiles(paths: string[]): FileLookup {
  return {
    exists: (path) => paths.includes(path),
    list(folder) {
      const inside = paths
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1).split('/')[0] ?? '');
      return [...new Set(inside)];
    },
  };
}
