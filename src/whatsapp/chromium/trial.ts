import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ClientError } from '../client.ts';
import type { FoundBrowser } from './find.ts';
import { createLauncher } from './launch.ts';

const run = promisify(execFile);
const closeTimeoutMs = 10_000;
const versionTimeoutMs = 20_000;

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
    await assertRuns(input.browser.path);
    const launch = createLauncher(input);
    const { browser, close } = await launch({ instanceId: 'trial', profileDir: join(dir, 'profile') }).catch(
      (error: unknown) => {
        // Who tries it out wants the browser's own words, not the advice to try it out.
        throw error instanceof ClientError ? error.cause : error;
      },
    );
    try {
      return await browser.version();
    } finally {
      await close(closeTimeoutMs);
    }
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/**
 * Lets the program say its version. Only here is heard what a loader says of a missing library, and that the system refuses to start it,
 * which puppeteer leaves unheard, so that it would end this process. @throws Error as `spawn PATH EACCES`, or with what the program wrote
 */
async function assertRuns(path: string): Promise<void> {
  // Chrome opens a window there.
  if (process.platform === 'win32') return;
  await run(path, ['--version'], { timeout: versionTimeoutMs }).catch((error: Error & { stderr?: string }) => {
    throw new Error(error.stderr?.trim() || error.message.trim(), { cause: error });
  });
}
