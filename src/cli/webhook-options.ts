import { eventTable } from '../model/events.ts';
import { type OptionSpec, type Typed, UsageError } from './command.ts';

/** What can be said of a webhook when it is made, and changed later. */
export const endpointOptions = {
  title: { type: 'string', value: 'TEXT', doc: 'A name for people' },
  secret: {
    type: 'string',
    value: 'TEXT',
    doc: 'Sent as X-Wapbridge-Secret and used for the signature; the one before signs too for 24 h',
  },
  events: {
    type: 'string',
    value: 'LIST',
    doc: `Which events, separated by commas: ${Object.keys(eventTable).join(', ')} or all (default: message.received)`,
  },
  header: { type: 'string', value: 'LIST', doc: 'Headers sent beside: "Name: value", separated by line breaks or |' },
  ordered: { type: 'boolean', doc: 'One delivery at a time, in the order of events' },
  unordered: { type: 'boolean', doc: 'In order within each chat, the default' },
  'retry-seconds': {
    type: 'string',
    value: 'LIST',
    doc: 'When what failed is tried again, such as 5,300,1800; none for a single try, default for 5 s to 10 h',
  },
} satisfies Record<string, OptionSpec>;

/** Returns the events of `--events`. */
export function eventsOf(typed: Typed): string[] | undefined {
  return typed
    .text('events')
    ?.split(',')
    .map((event) => event.trim());
}

/** Returns what `endpointOptions` say, as the gateway takes it. @throws UsageError */
export function changesOf(typed: Typed): Record<string, unknown> {
  const headers = typed.text('header');
  return {
    title: typed.text('title'),
    secret: typed.text('secret'),
    events: eventsOf(typed),
    headers: headers === undefined ? undefined : headersOf(headers),
    ...either(typed, { ordered: true, unordered: false }, 'ordered'),
    retry_seconds: retriesOf(typed.text('retry-seconds')),
  };
}

/** @throws UsageError */
function retriesOf(text: string | undefined): number[] | null | undefined {
  if (text === undefined) return undefined;
  if (text === 'default') return null;
  if (text === 'none') return [];
  return text.split(',').map((part) => {
    if (!/^\s*\d+\s*$/.test(part)) throw new UsageError(`"${part}" is no number of seconds: write 5,300,1800`);
    return Number(part);
  });
}

/** @throws UsageError */
function headersOf(text: string): Record<string, string> {
  const lines = text.split(/[|\n]/).filter((line) => line.trim() !== '');
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(':');
      if (at < 1) throw new UsageError(`"${line}" is no header: write "Name: value"`);
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}

/** Returns the setting that one of two flags stands for, nothing without both. @throws UsageError with both */
export function either(typed: Typed, flags: Record<string, boolean>, name: string): Record<string, boolean> {
  const given = Object.entries(flags).filter(([flag]) => typed.flag(flag));
  if (given.length > 1) throw new UsageError(`--${given.map(([flag]) => flag).join(' and --')} cannot both be`);
  return given[0] ? { [name]: given[0][1] } : {};
}
