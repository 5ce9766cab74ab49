import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from 'puppeteer';
import { type FoundBrowser, headlessMode } from './find.ts';
import { browserArgs } from './flags.ts';

const startTimeoutMs = 30_000;

/**
 * Starts the browser as an instance would, on an empty profile, and returns what it says it is, such as `HeadlessChrome/156.0.8078.79`.
 * @throws Error when it does not start; the message holds what the browser wrote, as a missing library
 */
export async function tryBrowser(input: {
  browser: FoundBrowser;
  sandboxPossible: boolean;
  extraArgs: string[];
}): Promise<string> {
  const profileDir = await mkdtemp(join(tmpdir(), 'wapbridge-trial-'));
  try {
    const browser = await launch({
      executablePath: input.browser.path,
      headless: headlessMode(input.browser.kind),
      args: browserArgs({
        kind: input.browser.kind,
        sandboxPossible: input.sandboxPossible,
        instanceId: 'trial',
        extra: input.extraArgs,
      }),
      userDataDir: profileDir,
      pipe: true,
      timeout: startTimeoutMs,
    });
    try {
      return await browser.version();
    } finally {
      await browser.close();
    }
  } finally {
    await rm(profileDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
