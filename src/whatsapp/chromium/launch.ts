import type { ChildProcess } from 'node:child_process';
import { launch } from 'puppeteer';
import { withTimeout } from '../../model/time.ts';
import type { LaunchBrowser } from '../webjs/client.ts';
import { type FoundBrowser, headlessMode } from './find.ts';
import { browserArgs } from './flags.ts';
import { openProfile } from './profile.ts';

const startTimeoutMs = 60_000;
const killTimeoutMs = 10_000;
/** A call on a hung page ends by itself; puppeteer's default is three minutes. */
const protocolTimeoutMs = 150_000;

/** Returns what starts one browser on one profile; the browser ends with the gateway because its pipe does. */
export function createLauncher(input: {
  browser: FoundBrowser;
  sandboxPossible: boolean;
  extraArgs: string[];
}): LaunchBrowser {
  return async ({ instanceId, profileDir }) => {
    const lock = await openProfile(profileDir);
    try {
      const browser = await launch({
        executablePath: input.browser.path,
        headless: headlessMode(input.browser.kind),
        args: browserArgs({
          kind: input.browser.kind,
          sandboxPossible: input.sandboxPossible,
          instanceId,
          extra: input.extraArgs,
        }),
        userDataDir: profileDir,
        defaultViewport: null,
        pipe: true,
        timeout: startTimeoutMs,
        protocolTimeout: protocolTimeoutMs,
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
      });
      return {
        browser,
        async close(timeoutMs) {
          try {
            await withTimeout(browser.close(), timeoutMs, 'The browser did not close in time');
          } catch {
            await kill(browser.process());
          } finally {
            await lock.release();
          }
        },
      };
    } catch (error) {
      await lock.release();
      throw error;
    }
  };
}

/** Ends the process by force and waits until it is gone: the next one must not meet it on its profile. */
async function kill(process: ChildProcess | null): Promise<void> {
  if (!process || process.exitCode !== null || process.signalCode !== null) return;
  const gone = new Promise((resolve) => process.once('exit', resolve));
  process.kill('SIGKILL');
  await withTimeout(gone, killTimeoutMs, 'The browser cannot be ended');
}
