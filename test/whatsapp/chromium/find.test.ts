import { describe, expect, it } from 'vitest';
import { findBrowser, type FileLookup } from '../../../src/whatsapp/chromium/find.ts';

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

  it('uses CHROMIUM_PATH and nothing else, and says so when it names no program', () => {
    expect(
      find(['/opt/my/chrome', '/usr/lib/chromium/chromium-headless-shell'], { chromiumPath: '/opt/my/chrome' }),
    ).toEqual({
      path: '/opt/my/chrome',
      kind: 'chrome',
    });
    expect(() => find(['/usr/bin/chromium'], { chromiumPath: '/opt/none' })).toThrow(
      'CHROMIUM_PATH names /opt/none, which is no program that can be run',
    );
    for (const path of ['/etc/passwd', '/tmp'])
      expect(() => findBrowser({ chromiumPath: path })).toThrow(`CHROMIUM_PATH names ${path}, which is no program`);
  });
});

function fakeFiles(paths: string[]): FileLookup {
  return {
    isProgram: (path) => paths.includes(path),
    list(folder) {
      const inside = paths
        .filter((path) => path.startsWith(`${folder}/`))
        .map((path) => path.slice(folder.length + 1).split('/')[0] ?? '');
      return [...new Set(inside)];
    },
  };
}
