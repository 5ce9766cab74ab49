import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FoundBrowser } from './find.ts';
import { createLauncher } from './launch.ts';

const closeTimeoutMs = 10_000;

/**
 * Starts the browser as an instance would, on an empty profile, and returns what it says it is, such as `HeadlessChrome/156.0.8078.79`.
 * @throws Error when it does not start; the message holds what the browser wrote, as a missing library
 */
export async function tryBrowser(input: {
  browser: FoundBrowser;
  sandboxPossible: boolean;
  extraArgs: string[];
}): Promise<string> {
  // The profile's lock lies beside it, so it gets a folder within the folder.
  const dir = await mkdtemp(join(tmpdir(), 'wapbridge-trial-'));
  try {
    const { browser, close } = await createLauncher(input)({ instanceId: 'trial', profileDir: join(dir, 'profile') });
    try {
      return await browser.version();
    } finally {
      await close(closeTimeoutMs);
    }
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
