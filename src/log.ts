import { type DestinationStream, type Logger, pino } from 'pino';
import { prettyLine } from './log-pretty.ts';

/** How lines are written: for programs, or for people at a terminal. */
type LogFormat = 'json' | 'pretty';

/**
 * Returns the program's logger: one JSON line a fact, secrets left out wherever an object happens to carry them. What is about an
 * instance has `instance`, what is about a message `message` (its bare WhatsApp id), what belongs to a call `requestId`.
 */
export function createLog(level: string, destination?: DestinationStream, format: LogFormat = 'json'): Logger {
  const out = destination ?? standardOutput();
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: ['authorization', 'secret', 'headers', '*.authorization', '*.secret', '*.headers', '*.sql'],
        censor: '[redacted]',
      },
    },
    format === 'pretty' ? pretty(out) : out,
  );
}

const mostWaitingBytes = 1024 * 1024;

/**
 * A full disk, or a terminal that has gone, must neither keep the gateway from its work nor from its end: lines that cannot be written
 * wait for the next try, up to 1 MiB, and are dropped above it.
 */
function standardOutput(): DestinationStream {
  const stream = pino.destination({ dest: 1, sync: true, maxLength: mostWaitingBytes });
  stream.on('error', () => undefined);
  return stream;
}

function pretty(destination: DestinationStream): DestinationStream {
  return { write: (line) => void destination.write(prettyLine(line)) };
}
