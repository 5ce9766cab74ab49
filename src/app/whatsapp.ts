import { join } from 'node:path';
import type { Config } from '../settings.ts';
import { type Sandbox, createSandbox } from '../sandbox/sandbox.ts';
import { type FoundBrowser, findBrowser } from '../whatsapp/chromium/find.ts';
import { sandboxPossible } from '../whatsapp/chromium/flags.ts';
import { type LaunchWatch, createLaunchWatch } from '../whatsapp/chromium/launch-watch.ts';
import { createLauncher } from '../whatsapp/chromium/launch.ts';
import { tryBrowser } from '../whatsapp/chromium/trial.ts';
import { type WebVersions, createWebVersions } from '../whatsapp/web-versions.ts';
import type { WebPage } from '../whatsapp/webjs/library.ts';

/** WhatsApp Web and the browsers it runs in. */
export interface WhatsAppParts {
  /** Present when the stand-in takes WhatsApp's place. */
  sandbox: Sandbox | null;
  browsers: LaunchWatch;
  /** Starts a browser on an empty profile and ends it: tells whether browsers start at all. */
  trial(): Promise<unknown>;
  versions: WebVersions;
  /** Returns the page that is shown by the next start of an instance. */
  web(): Promise<WebPage>;
}

/** Wires WhatsApp, or its stand-in. @throws Error in words for the operator when there is no browser */
export async function buildWhatsApp(config: Config): Promise<WhatsAppParts> {
  const sandbox = config.sandbox
    ? await createSandbox({ dir: join(config.dataDir, 'sandbox'), syncDelayMs: 50 })
    : null;
  const chromium = {
    browser: browserOf(config),
    sandboxPossible: sandboxPossible(),
    extraArgs: [...config.chromiumArgs, ...(sandbox?.web.chromiumArgs ?? [])],
  };
  const versions = createWebVersions({ dir: config.whatsappWebCacheDir!, forced: config.whatsappWebVersion });
  return {
    sandbox,
    browsers: createLaunchWatch(createLauncher(chromium)),
    trial: () => tryBrowser(chromium),
    versions,
    async web() {
      const page = await versions.page();
      const chosen = page.version === null && sandbox ? sandbox.web : page;
      return { ...chosen, isPasskeyRelay: config.experimentalPasskeyRelay };
    },
  };
}

/** @throws Error in words for the operator */
function browserOf(config: Config): FoundBrowser {
  const browser = findBrowser({ chromiumPath: config.chromiumPath });
  if (!browser)
    throw new Error(
      'No browser was found: install Chromium (Debian: apt-get install chromium-headless-shell), or name one with CHROMIUM_PATH',
    );
  return browser;
}
