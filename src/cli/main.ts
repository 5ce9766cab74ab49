import { readConfig } from '../config.ts';
import { systemClock } from '../model/time.ts';
import { runCli } from './cli.ts';

/** `npm run wapbridge -- <command>`: runs one command and ends with its exit status. */
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort());
process.once('SIGTERM', () => interrupted.abort());

process.exitCode = await runCli(process.argv.slice(2), {
  config: () => readConfig(),
  clock: systemClock(),
  fetch,
  print: (text) => process.stdout.write(`${text}\n`),
  warn: (text) => process.stderr.write(`${text}\n`),
  isTerminal: process.stdout.isTTY,
  lineWidth: process.stdout.isTTY ? process.stdout.columns : Infinity,
  signal: interrupted.signal,
});
