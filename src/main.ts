import { createApp } from './app.ts';
import { ConfigError, readConfig } from './config.ts';
import { createLog } from './log.ts';
import { reasonOf } from './model/errors.ts';
import { endOnSignals } from './signals.ts';

/** Starts the gateway from its environment and ends it on SIGINT, SIGTERM or SIGHUP. */
async function main(): Promise<void> {
  const config = readConfig();
  const log = createLog(config.logLevel, undefined, config.logFormat);
  const app = await createApp({ config, log, replaced: () => process.kill(process.pid, 'SIGTERM') });
  endOnSignals({ log, close: () => app.close() });
  log.info({ url: app.url, sandbox: config.sandbox }, 'gateway is listening');
}

try {
  await main();
} catch (error) {
  process.stderr.write(
    `${error instanceof ConfigError ? error.message : `The gateway could not start: ${reasonOf(error)}`}\n`,
  );
  process.exit(1);
}
