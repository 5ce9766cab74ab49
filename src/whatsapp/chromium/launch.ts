import { dirname } from 'node:path';
import { launch } from 'puppeteer';
import { actionTable } from '../../model/action.ts';
import { reasonOf } from '../../model/errors.ts';
import { withTimeout } from '../../model/time.ts';
import { ClientError } from '../client.ts';
import type { LaunchBrowser } from '../webjs/client.ts';
import { cleanCaches } from './caches.ts';
import { type FoundBrowser, headlessMode } from './find.ts';
import { browserArgs } from './flags.ts';
import { killAll, memoryOf, processTree } from './processes.ts';
import { openProfile } from './profile.ts';
import { assertRoom } from './room.ts';
import { openProxy } from './proxy.ts';
import { createUserAgent } from './user-agent.ts';

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
  const usualUserAgent = createUserAgent(input.browser);
  return async ({ instanceId, profileDir, proxyUrl = null, userAgent, signal }) => {
    await assertRoom(dirname(profileDir));
    const profile = await openProfile(profileDir);
    const closers = [profile.release];
    const release = async () => {
      for (const close of closers.toReversed()) await close();
    };
    try {
      await cleanCaches(profile.dir);
      const proxy = proxyUrl === null ? null : await openProxy(proxyUrl);
      if (proxy) closers.push(proxy.close);
      const browser = await launch({
        executablePath: input.browser.path,
        headless: headlessMode(input.browser.kind),
        args: browserArgs({
          kind: input.browser.kind,
          sandboxPossible: input.sandboxPossible,
          instanceId,
          userAgent: userAgent ?? (await usualUserAgent()),
          extra: [...(proxy?.chromiumArgs ?? []), ...input.extraArgs],
        }),
        userDataDir: profile.dir,
        defaultViewport: null,
        pipe: true,
        timeout: startTimeoutMs,
        protocolTimeout: protocolTimeoutMs,
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
        ...(signal ? { signal } : {}),
      }).catch((error: unknown) => {
        throw new ClientError('browser_failed', `${actionTable.browser_failed} (${reasonOf(error)})`, { cause: error });
      });
      const pid = browser.process()?.pid;
      return {
        browser,
        memory: async () => (pid === undefined ? null : memoryOf(pid)),
        async close(timeoutMs) {
          // Named while its root lives: a stopped or hung renderer would outlive it.
          const family = pid === undefined ? [] : processTree(pid);
          try {
            await withTimeout(browser.close(), timeoutMs, 'The browser did not close in time');
            return true;
          } catch {
            return false;
          } finally {
            await killAll(family, killTimeoutMs);
            await release();
          }
        },
      };
    } catch (error) {
      await release();
      throw error;
    }
  };
}
