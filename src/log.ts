import { type DestinationStream, type Logger, pino } from 'pino';

/** Returns the program's logger: one JSON line a fact, secrets left out wherever an object happens to carry them. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: ['authorization', 'secret', 'headers', '*.authorization', '*.secret', '*.headers'],
        censor: '[redacted]',
      },
    },
    ...(destination ? [destination] : []),
  );
}
