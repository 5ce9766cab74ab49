import type { Logger } from 'pino';
import { reasonOf } from './model/errors.ts';

const shutdownMs = 28_000;
/** Ctrl-C reaches the program twice when npm passes on what the terminal has sent to everybody. */
const echoMs = 1_000;

/** Ends the program in good order at the first SIGINT, SIGTERM or SIGHUP (a terminal that closes), at once at a later second one, and in any case within 28 s. */
export function endOnSignals({ log, close }: { log: Logger; close(): Promise<void> }): void {
  let endingSince: number | null = null;

  async function end(signal: string): Promise<void> {
    if (endingSince !== null) {
      if (Date.now() - endingSince < echoMs) return;
      log.warn({ signal }, 'ending at once');
      process.exit(1);
    }
    endingSince = Date.now();
    log.info({ signal }, 'ending');
    setTimeout(() => process.exit(1), shutdownMs).unref();
    try {
      await close();
      process.exit(0);
    } catch (error) {
      log.error({ error: reasonOf(error) }, 'the end was not clean');
      process.exit(1);
    }
  }

  process.on('SIGINT', (signal) => void end(signal));
  process.on('SIGTERM', (signal) => void end(signal));
  process.on('SIGHUP', (signal) => void end(signal));
  // whatsapp-web.js throws strings from event handlers; one number's trouble must not end the others.
  process.on('unhandledRejection', (error) => log.error({ error: reasonOf(error) }, 'a promise was rejected unheard'));
  process.on('uncaughtException', (error) =>
    log.error({ error: reasonOf(error), stack: error.stack }, 'an error was thrown unheard'),
  );
}
