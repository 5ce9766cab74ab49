const levels: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'WARN', 50: 'ERROR', 60: 'FATAL' };

/** Returns a JSON log line as a person reads it: `12:30:01.250 info  instance is ready  instance=INST-01-0000142`. */
export function prettyLine(json: string): string {
  const { time, level, msg, err, stack, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const words = Object.entries(fields)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${shown(value)}`);
  const traces = [stack, (err as { stack?: string } | undefined)?.stack].filter((text) => typeof text === 'string');
  const head = [String(time).slice(11, 23), (levels[Number(level)] ?? String(level)).padEnd(5), String(msg ?? '')];
  return `${[head.join(' '), ...words].join('  ')}${traces.map((text) => `\n${text}`).join('')}\n`;
}

/** Texts with spaces are quoted; a line break would make two lines of one fact. */
function shown(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
