import type { Page } from 'puppeteer';
import { reasonOf } from '../../model/errors.ts';
import { withTimeout } from '../../model/time.ts';
import { ClientError } from '../client.ts';

/**
 * Tells of everything by which a page ends: a closed page, a dead renderer, and what the library throws where nobody listens. It hangs
 * its work on functions of the page (`exposeFunction`) and throws from there, plain strings too ('ready timeout', Client.js:331): that
 * would become an unhandled rejection of the process, of which nobody could say whose it is. To be called before the library has the page.
 */
export function guardPage(page: Page, onBroken: (reason: unknown) => void): void {
  page.once('close', () => onBroken(new Error('The page was closed')));
  page.once('error', () => onBroken(new Error('The page crashed')));

  const expose = page.exposeFunction.bind(page);
  type Exposed = (...args: unknown[]) => unknown;
  page.exposeFunction = (name, exposed) => {
    if (typeof exposed !== 'function') return expose(name, exposed);
    const work = exposed as Exposed;
    return expose(name, async (...args: unknown[]) => {
      try {
        return await work(...args);
      } catch (error) {
        // A navigation ends what was going on in the page before it; the page after it is taken over anew.
        if (!isNavigation(error)) onBroken(error);
        return undefined;
      }
    });
  };
}

/**
 * Asks the browser whether it can open the page's databases. Where it cannot, WhatsApp Web waits for ever, without QR code and without
 * error. Chromium begins anew by itself when it can remove what is damaged; this is for the rest.
 * @throws ClientError profile_corrupt
 */
export async function assertStorage(page: Page): Promise<void> {
  // No answer is no proof: a slow disk has its time.
  const problem = await withTimeout(page.evaluate(storageProblem), storageTimeoutMs, '').catch(() => null);
  if (problem !== null)
    throw new ClientError('profile_corrupt', `The browser cannot open the databases of its profile: ${problem}`);
}

const storageTimeoutMs = 10_000;

/** Runs in the page; lists databases and makes none. */
async function storageProblem(): Promise<string | null> {
  return indexedDB.databases().then(
    () => null,
    (error: unknown) => String(error),
  );
}

/** Puppeteer's words for a call that a navigation has cut off. */
export function isNavigation(error: unknown): boolean {
  return /Execution context was destroyed|Cannot find context with specified id|frame (was|got) detached/i.test(
    reasonOf(error),
  );
}
