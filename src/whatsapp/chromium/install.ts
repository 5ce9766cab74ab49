import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { findBrowser, type FoundBrowser } from './find.ts';

/** What `ensureBrowser` needs of the machine; tests pass their own. */
export interface InstallDeps {
  find(): FoundBrowser | null;
  platform: NodeJS.Platform;
  arch: string;
  isRoot: boolean;
  /** `ID` and `ID_LIKE` of /etc/os-release; empty elsewhere. */
  distribution: string;
  /** Runs a program with its output shown, and returns its exit status; null when it could not be started. */
  run(command: string, args: string[]): Promise<number | null>;
  /** Returns what the browser says of its version. @throws Error when it cannot be started, as when a library is missing */
  version(path: string): Promise<string>;
  /** Tells the person what goes on. */
  say(line: string): void;
}

/**
 * Returns a browser that starts: the one that is there, else one that it installs (Debian's package as root, else puppeteer's download).
 * @throws Error with one sentence that says what to do, when there is no way
 */
export async function ensureBrowser(deps: InstallDeps): Promise<FoundBrowser> {
  const present = deps.find();
  if (present) return present;

  for (const { applies, doing, install } of ways) {
    if (!applies(deps)) continue;
    deps.say(`No browser found: ${doing}`);
    const problem = await install(deps).then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    const browser = deps.find();
    if (browser && (await starts(browser, deps))) return browser;
    deps.say(
      problem === null ? 'That brought no browser that starts here' : `That did not work: ${firstLine(problem)}`,
    );
  }
  throw new Error(
    `There is no browser and none could be installed: ${advice(deps)}, or set CHROMIUM_PATH to a headless shell, Chromium or Chrome.`,
  );
}

interface Way {
  applies(deps: InstallDeps): boolean;
  doing: string;
  install(deps: InstallDeps): Promise<void>;
}

const ways: Way[] = [
  {
    // Ubuntu has none of these packages, only a snap; apt then says so at once and the download is next.
    applies: ({ platform, isRoot, distribution }) =>
      platform === 'linux' && isRoot && /debian|ubuntu/.test(distribution),
    doing: 'installing Debian’s chromium-headless-shell with apt-get …',
    async install({ run }) {
      const aptGet = async (...args: string[]) => (await run('apt-get', args)) === 0;
      await aptGet('update');
      for (const name of ['chromium-headless-shell', 'chromium'])
        if (await aptGet('install', '-y', '--no-install-recommends', name)) return;
      throw new Error('apt-get could not install chromium-headless-shell or chromium');
    },
  },
  {
    // Chrome for Testing has no build for Linux on ARM; puppeteer would fetch the x64 one.
    applies: ({ platform, arch }) => platform !== 'linux' || arch === 'x64',
    doing: 'downloading the headless shell with puppeteer …',
    async install({ run, platform, isRoot }) {
      // The libraries that it needs come by apt, which only root may call.
      const withLibraries = platform === 'linux' && isRoot ? ['--install-deps'] : [];
      const status = await run(process.execPath, [
        puppeteerCli(),
        'browsers',
        'install',
        'chrome-headless-shell',
        ...withLibraries,
      ]);
      if (status !== 0) throw new Error('the download failed');
    },
  },
];

/** Puppeteer's own command line: it knows the version that belongs to it, and its folder. */
function puppeteerCli(): string {
  return createRequire(import.meta.url).resolve('puppeteer/lib/cjs/puppeteer/node/cli.js');
}

async function starts(browser: FoundBrowser, { version, say }: InstallDeps): Promise<boolean> {
  try {
    await version(browser.path);
    return true;
  } catch (error) {
    say(`${browser.path} does not start: ${firstLine(error instanceof Error ? error.message : String(error))}`);
    return false;
  }
}

function advice({ platform, distribution }: InstallDeps): string {
  if (platform === 'linux' && /debian|ubuntu/.test(distribution))
    return 'run `sudo apt-get install chromium-headless-shell` (Ubuntu: install Google Chrome)';
  return platform === 'linux' ? 'install Chromium with the package manager of your system' : 'install Google Chrome';
}

function firstLine(text: string): string {
  return (
    text
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? text
  );
}

/** Returns the machine itself for `ensureBrowser`; `chromiumPath` is CHROMIUM_PATH. */
export function machineInstallDeps(input: { chromiumPath: string | null; say(line: string): void }): InstallDeps {
  return {
    find: () => findBrowser({ chromiumPath: input.chromiumPath }),
    platform: process.platform,
    arch: process.arch,
    isRoot: process.getuid?.() === 0,
    distribution: distribution(),
    run: (command, args) =>
      new Promise((resolve) => {
        const child = spawn(command, args, { stdio: ['ignore', 2, 2] });
        child.once('error', () => resolve(null));
        child.once('close', resolve);
      }),
    version: browserVersion,
    say: input.say,
  };
}

/** Returns what a browser prints for `--version`, such as `Chromium 156.0.8078.79`. On Windows it opens a window instead, so nothing is asked. */
export async function browserVersion(path: string): Promise<string> {
  if (process.platform === 'win32') return '';
  const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 20_000 });
  return stdout.trim();
}

function distribution(): string {
  try {
    const lines = readFileSync('/etc/os-release', 'utf8').split('\n');
    return lines.filter((line) => /^ID(_LIKE)?=/.test(line)).join(' ');
  } catch {
    return '';
  }
}
