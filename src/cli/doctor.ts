import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../settings.ts';
import { freeBytes } from '../core/disk.ts';
import { GatewayError, reasonOf } from '../model/errors.ts';
import { createDatabase } from '../store/database.ts';
import { version } from '../version.ts';
import { findBrowser } from '../whatsapp/chromium/find.ts';
import { sandboxPossible } from '../whatsapp/chromium/flags.ts';
import { dataDirHolder, makeDir } from '../whatsapp/chromium/profile.ts';
import { tryBrowser } from '../whatsapp/chromium/trial.ts';
import { createWebVersions } from '../whatsapp/web-versions.ts';
import type { Command, Context } from './command.ts';
import { withoutPassword } from './config.ts';
import { gatewayUrl } from './gateway.ts';

/** `doctor`: looks at everything that the gateway needs and says what is wrong and what to do. Status 1 when something is. */
export const doctorCommand: Command = {
  summary: 'Checks configuration, data folder, database, browser, WhatsApp Web and the running gateway.',
  async run(_, context) {
    context.print(`WapBridge Gateway ${version}, Node ${process.version}, ${process.platform} ${process.arch}`);
    const config = await report(context, 'configuration', () =>
      Promise.resolve({ result: context.config(), text: 'valid' }),
    );
    if (!config) return 1;
    let problems = 0;
    for (const [name, check] of Object.entries(checks)) {
      const passed = await report(context, name, async () => ({ result: true, text: await check(config, context) }));
      if (!passed) problems += 1;
    }
    context.print(
      problems === 0 ? 'All is well.' : `${problems} of ${Object.keys(checks).length + 1} checks found a problem.`,
    );
    return problems === 0 ? 0 : 1;
  },
};

/** Returns good news; throws what is wrong, with what to do as the message's second line. */
type Check = (config: Config, context: Context) => Promise<string>;

const checks: Record<string, Check> = {
  'data folder': checkDataDir,
  database: checkDatabase,
  browser: checkBrowser,
  'WhatsApp Web': checkWhatsAppWeb,
  gateway: checkGateway,
};

/** Prints one check and returns its result, null when it found a problem. */
async function report<T>(
  { print }: Context,
  name: string,
  check: () => Promise<{ result: T; text: string }>,
): Promise<T | null> {
  try {
    const { result, text } = await check();
    print(`  ok    ${name}: ${text}`);
    return result;
  } catch (error) {
    print(`  WRONG ${name}: ${reasonOf(error).replaceAll('\n', '\n        ')}`);
    return null;
  }
}

function problem(sentence: string, advice: string, cause?: unknown): Error {
  return new Error(`${sentence}\n→ ${advice}`, { cause });
}

const leastFreeBytes = 512 * 1024 * 1024;

async function checkDataDir({ dataDir }: Config): Promise<string> {
  const trial = join(dataDir, `.doctor-${process.pid}`);
  try {
    await makeDir(dataDir);
    await writeFile(trial, 'x');
    await rm(trial);
  } catch (error) {
    throw problem(
      `${dataDir} cannot be written (${reasonOf(error)})`,
      'give it to the user who runs the gateway, or set another DATA_DIR',
      error,
    );
  }
  const free = await freeBytes(dataDir);
  const freeMib = Math.floor(free / 1024 / 1024);
  if (free < leastFreeBytes)
    throw problem(
      `${dataDir} has only ${freeMib} MiB left`,
      'make room: profiles and media need some hundred MiB an instance',
    );
  const holder = await dataDirHolder(dataDir);
  return `${dataDir} can be written, ${freeMib} MiB free, ${holder ? `used by the gateway with process ${holder.pid}` : 'no gateway uses it'}`;
}

async function checkDatabase({ databaseUrl, databaseTimeoutMs, migrateAtStart }: Config): Promise<string> {
  const where = withoutPassword(databaseUrl);
  const database = createDatabase(databaseUrl, { timeoutMs: databaseTimeoutMs });
  try {
    // Opens a connection; with MIGRATE_AT_START the schema is the gateway's own business.
    await database.transaction(() => Promise.resolve());
    if (!migrateAtStart) await database.assertMigrated();
    return `${where} answers`;
  } catch (error) {
    if (error instanceof GatewayError) throw problem(`${where} is not up to date`, error.message, error);
    throw problem(`${where} does not answer (${reasonOf(error)})`, databaseAdvice[database.engine], error);
  } finally {
    await database.close();
  }
}

const databaseAdvice = {
  mysql: 'see that the server runs, and that user, password and database in DATABASE_URL exist',
  sqlite: 'see that the file can be written, or set another DATABASE_URL',
};

async function checkBrowser({ chromiumPath, chromiumArgs }: Config): Promise<string> {
  const browser = findBrowser({ chromiumPath });
  if (!browser)
    throw problem(
      'no headless shell, Chromium or Chrome was found',
      '`npm run browser` installs one, or set CHROMIUM_PATH',
    );
  const isSandboxed = sandboxPossible();
  try {
    const name = await tryBrowser({ browser, sandboxPossible: isSandboxed, extraArgs: chromiumArgs });
    return `${browser.path} starts (${name}${isSandboxed ? '' : ', without its sandbox: as root or without user namespaces there is none'})`;
  } catch (error) {
    throw problem(
      `${browser.path} does not start (${reasonOf(error)})`,
      'install the libraries it misses, or set CHROMIUM_PATH to another browser',
      error,
    );
  }
}

const whatsAppUrl = 'https://web.whatsapp.com/';

async function checkWhatsAppWeb(config: Config, { fetch, signal }: Context): Promise<string> {
  await assertPinnedIsThere(config);
  const { sandbox, chromiumArgs } = config;
  if (sandbox) return 'not needed, the sandbox is on';
  if (chromiumArgs.some((arg) => arg.startsWith('--proxy-'))) return 'not tried: the browser goes through a proxy';
  try {
    const response = await fetch(whatsAppUrl, { signal: AbortSignal.any([signal, AbortSignal.timeout(15_000)]) });
    await response.body?.cancel();
    return `${whatsAppUrl} answers (${response.status})`;
  } catch (error) {
    const { code, message } =
      (error as Error & { cause?: NodeJS.ErrnoException }).cause ?? (error as NodeJS.ErrnoException);
    const reason = code ?? message;
    throw problem(
      `${whatsAppUrl} cannot be reached (${reason})`,
      'allow HTTPS and WebSockets to *.whatsapp.com and *.whatsapp.net, or set a proxy: CHROMIUM_ARGS=--proxy-server=…',
      error,
    );
  }
}

async function assertPinnedIsThere({ whatsappWebCacheDir, whatsappWebVersion }: Config): Promise<void> {
  const versions = createWebVersions({ dir: whatsappWebCacheDir!, forced: whatsappWebVersion });
  const { version: pinned } = await versions.page();
  if (pinned === null || (await versions.has(pinned))) return;
  throw problem(
    `the page ${pinned} is pinned, but not recorded in ${whatsappWebCacheDir}: no instance starts`,
    `${whatsappWebVersion === null ? '`web-version unpin`' : 'take WHATSAPP_WEB_VERSION away'}, or pin one of \`web-version list\``,
  );
}

async function checkGateway(config: Config, { fetch, signal }: Context): Promise<string> {
  const url = gatewayUrl(config);
  const response = await fetch(`${url}/readyz`, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]),
  }).catch(() => null);
  if (!response) return `none answers at ${url} (start it with \`npm start\`)`;
  const body = (await response.json().catch(() => ({}))) as { reasons?: Record<string, string> };
  if (response.ok) return `answers at ${url} and is ready`;
  const reasons = Object.entries(body.reasons ?? {}).map(([name, reason]) => `${name}: ${reason}`);
  throw problem(`the one at ${url} is not ready (${reasons.join(', ') || response.status})`, 'its log says why');
}
