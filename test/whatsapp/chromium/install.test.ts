import { describe, expect, it } from 'vitest';
import { ensureBrowser, type InstallDeps } from '../../../src/whatsapp/chromium/install.ts';

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
