import { type DestinationStream, type Logger, pino } from 'pino';
import { prettyLine } from './log-pretty.ts';

/** How lines are written: for programs, or for people at a terminal. */
type LogFormat = 'json' | 'pretty';

/**
 * Returns the program's logger: one JSON line a fact, secrets left out wherever an object happens to carry them. What is about an
 * instance has `instance`, what is about a message `message` (its bare WhatsApp id), what belongs to a call `requestId`.
 */
export function createLog(level: string, destination?: DestinationStream, format: LogFormat = 'json'): Logger {
  const stream = format === 'pretty' ? pretty(destination ?? process.stdout) : destination;
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
    ...(stream ? [stream] : []),
  );
}

function pretty(destination: DestinationStream): DestinationStream {
  return { write: (line) => void destination.write(prettyLine(line)) };
}
