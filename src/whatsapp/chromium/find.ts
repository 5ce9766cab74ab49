import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { posix, win32 } from 'node:path';

/** A headless shell needs half the memory of Chromium; Chrome is Chromium with Google's parts. */
export type BrowserKind = 'shell' | 'chromium' | 'chrome';

/** A browser on this machine. */
export interface FoundBrowser {
  /** The executable itself, never a script that starts it. */
  path: string;
  kind: BrowserKind;
  /** Known when it lies in puppeteer's cache, whose folders carry it. */
  version?: string;
}

/** The file system as `findBrowser` asks it; passed in by tests. */
export interface FileLookup {
  /** A file that may be run. */
  isProgram(path: string): boolean;
  /** Names in a folder; none when it is not there. */
  list(path: string): string[];
}

/** Where `findBrowser` looks; everything has the machine's own value as its default. */
interface FindOptions {
  /** `CHROMIUM_PATH`: this one and no other. */
  chromiumPath?: string | null;
  platform?: NodeJS.Platform;
  homeDir?: string;
  files?: FileLookup;
}

/**
 * Returns the browser to use, the leanest kind first: `CHROMIUM_PATH`, else a headless shell, else Chromium, else Chrome,
 * each in its usual places and then in puppeteer's cache (newest first). Null when there is none.
 * @throws Error when `chromiumPath` is given and names no program
 */
export function findBrowser(options: FindOptions = {}): FoundBrowser | null {
  const { chromiumPath = null, platform = process.platform, homeDir = homedir(), files = machineFiles } = options;
  if (chromiumPath !== null) return namedBrowser(chromiumPath, files);

  for (const kind of kinds) {
    const path = places(platform, homeDir)[kind].find((candidate) => files.isProgram(candidate));
    if (path !== undefined) return { path: resolveWrapper(path, files), kind };
    const cached = cachedBrowser(kind, { platform, homeDir, files });
    if (cached) return cached;
  }
  return null;
}

/** Returns puppeteer's value for `headless`: the shell speaks the old mode only, the others have both. */
export function headlessMode(kind: BrowserKind): 'shell' | true {
  return kind === 'shell' ? 'shell' : true;
}

const kinds = ['shell', 'chromium', 'chrome'] as const satisfies BrowserKind[];

function namedBrowser(path: string, files: FileLookup): FoundBrowser {
  if (!files.isProgram(path)) throw new Error(`CHROMIUM_PATH names ${path}, which is no program that can be run`);
  return { path: resolveWrapper(path, files), kind: kindOf(path) };
}

function kindOf(path: string): BrowserKind {
  const name = path.split(/[\\/]/).at(-1) ?? path;
  if (/headless[-_]?shell/i.test(name)) return 'shell';
  return /chrome/i.test(name) ? 'chrome' : 'chromium';
}

/**
 * Debian's `/usr/bin/chromium-headless-shell` is a script that does not exec: a kill would miss the browser behind it.
 * Its `/usr/bin/chromium` execs, but adds flags that cost memory. So the binary behind either is taken.
 */
const wrappers: Record<string, string> = {
  '/usr/bin/chromium-headless-shell': '/usr/lib/chromium/chromium-headless-shell',
  '/usr/bin/chromium': '/usr/lib/chromium/chromium',
};

function resolveWrapper(path: string, files: FileLookup): string {
  const binary = wrappers[path];
  return binary !== undefined && files.isProgram(binary) ? binary : path;
}

type Places = Record<BrowserKind, string[]>;

function places(platform: NodeJS.Platform, homeDir: string): Places {
  if (platform === 'win32') return windowsPlaces(homeDir);
  if (platform === 'darwin') return macPlaces(homeDir);
  return linuxPlaces;
}

/** A snap Chromium comes last: its confinement hides most folders from it. */
const linuxPlaces: Places = {
  shell: [
    '/usr/lib/chromium/chromium-headless-shell',
    '/usr/bin/chromium-headless-shell',
    '/usr/lib64/chromium-browser/headless_shell',
    '/usr/bin/headless-shell',
    '/headless-shell/headless-shell',
  ],
  chromium: [
    '/usr/lib/chromium/chromium',
    '/usr/bin/chromium',
    '/usr/lib/chromium-browser/chromium-browser',
    '/snap/bin/chromium',
  ],
  chrome: ['/opt/google/chrome/chrome', '/usr/bin/google-chrome-stable', '/usr/bin/google-chrome'],
};

function macPlaces(homeDir: string): Places {
  const inApplications = (app: string) =>
    ['/Applications', `${homeDir}/Applications`].map((folder) => `${folder}/${app}.app/Contents/MacOS/${app}`);
  return {
    shell: ['/opt/homebrew/bin/chrome-headless-shell', '/usr/local/bin/chrome-headless-shell'],
    chromium: inApplications('Chromium'),
    chrome: inApplications('Google Chrome'),
  };
}

function windowsPlaces(homeDir: string): Places {
  const programs = ['C:\\Program Files', 'C:\\Program Files (x86)', win32.join(homeDir, 'AppData', 'Local')];
  const inPrograms = (...path: string[]) => programs.map((folder) => win32.join(folder, ...path));
  return {
    shell: [],
    chromium: inPrograms('Chromium', 'Application', 'chrome.exe'),
    chrome: inPrograms('Google', 'Chrome', 'Application', 'chrome.exe'),
  };
}

interface CacheLookup {
  platform: NodeJS.Platform;
  homeDir: string;
  files: FileLookup;
}

/**
 * The newest browser of this kind in puppeteer's cache, `~/.cache/puppeteer/<product>/<platform>-<version>/<product>-<platform>/<executable>`.
 * Source: @puppeteer/browsers `Cache.installationDir`, `relativeExecutablePath`.
 */
function cachedBrowser(kind: BrowserKind, { platform, homeDir, files }: CacheLookup): FoundBrowser | null {
  const product = cacheProducts[kind];
  if (!product) return null;
  const path = platform === 'win32' ? win32 : posix;
  const root = path.join(homeDir, '.cache', 'puppeteer', product.folder);
  for (const { name, version } of newestFirst(files.list(root)))
    for (const folder of files.list(path.join(root, name))) {
      const executable = path.join(root, name, folder, product.executable(platform));
      if (files.isProgram(executable)) return { path: executable, kind, version };
    }
  return null;
}

interface CacheProduct {
  folder: string;
  executable(platform: NodeJS.Platform): string;
}

const macChrome = 'Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing';

const cacheProducts: Record<BrowserKind, CacheProduct | null> = {
  shell: {
    folder: 'chrome-headless-shell',
    executable: (platform) => (platform === 'win32' ? 'chrome-headless-shell.exe' : 'chrome-headless-shell'),
  },
  // Chromium snapshots carry revisions instead of versions and are not what puppeteer downloads by itself.
  chromium: null,
  chrome: {
    folder: 'chrome',
    executable: (platform) => (platform === 'win32' ? 'chrome.exe' : platform === 'darwin' ? macChrome : 'chrome'),
  },
};

function newestFirst(names: string[]): { name: string; version: string }[] {
  return names
    .flatMap((name) => {
      const version = /-(\d+(?:\.\d+)+)$/.exec(name)?.[1];
      return version === undefined ? [] : [{ name, version }];
    })
    .toSorted((a, b) => b.version.localeCompare(a.version, 'en', { numeric: true }));
}

const machineFiles: FileLookup = {
  isProgram,
  list: (path) => (existsSync(path) ? readdirSync(path) : []),
};

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
