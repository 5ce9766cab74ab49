import { browserVersion } from './install.ts';

/** What Chrome says of the machine, which is the same on all of a kind (its reduced user agent). */
const systems: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'X11; Linux x86_64',
  darwin: 'Macintosh; Intel Mac OS X 10_15_7',
  win32: 'Windows NT 10.0; Win64; x64',
};

/**
 * Returns the user agent of a Chrome of this version (`Chromium 156.0.8078.79`) with a window, null where the version is not known.
 * A headless one says that it is headless, and also where a page has no say: in what its service worker sends.
 */
export function plainUserAgent(version: string, platform: NodeJS.Platform = process.platform): string | null {
  const major = /(\d+)\.\d+\.\d+\.\d+/.exec(version)?.[1];
  const system = systems[platform];
  if (!major || !system) return null;
  return `Mozilla/5.0 (${system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.0.0 Safari/537.36`;
}

/** Returns what asks the browser for its version, once, and gives its plain user agent. */
export function createUserAgent({ path, version }: { path: string; version?: string }): () => Promise<string | null> {
  let asked: Promise<string | null> | undefined;
  return () => (asked ??= (version ? Promise.resolve(version) : browserVersion(path)).then(plainUserAgent, () => null));
}
