import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { Config } from '../settings.ts';
import type { Clock } from '../model/time.ts';

/** What a command works with; tests pass their own. */
export interface Context {
  /** Reads the environment at first use. @throws ConfigError */
  config(): Config;
  clock: Clock;
  fetch: typeof fetch;
  /** Writes a line of the result. */
  print(text: string): void;
  /** Writes a line for the person beside it. */
  warn(text: string): void;
  /** A person watches: what is on the screen may be drawn over. */
  isTerminal: boolean;
  /** Characters of a line of their terminal; Infinity where there is none, so that scripts get everything. */
  lineWidth: number;
  /** Aborted when the person interrupts. */
  signal: AbortSignal;
}

/** An option of a command line, `--name VALUE` or, as a boolean, `--name`. */
export interface OptionSpec {
  type: 'string' | 'boolean';
  /** What stands for the value in the help. */
  value?: string;
  doc: string;
}

/** What was typed after the name of a command. */
export interface Typed {
  /** The value of a positional argument; it is there, because the command names it. */
  arg(name: string): string;
  text(option: string): string | undefined;
  flag(option: string): boolean;
}

/** One command. */
export interface Command {
  summary: string;
  /** Names of the positional arguments, all required. */
  args?: string[];
  options?: Record<string, OptionSpec>;
  /** Returns the exit status; 0 when it returns nothing. */
  run(typed: Typed, context: Context): Promise<number | void>;
}

/** Wrong words on the command line: shown with the command's help, exit status 2. */
export class UsageError extends Error {}

/** Returns what was typed for this command. @throws UsageError */
export function readTyped(command: Command, words: string[]): Typed {
  const { values, positionals } = parse(words, command.options ?? {});
  const names = command.args ?? [];
  const missing = names[positionals.length];
  if (missing !== undefined) throw new UsageError(`<${missing}> is missing`);
  if (positionals.length > names.length) throw new UsageError(`${positionals[names.length]} is one word too many`);
  return {
    arg: (name) => positionals[names.indexOf(name)] ?? '',
    text: (option) => (typeof values[option] === 'string' ? values[option] : undefined),
    flag: (option) => values[option] === true,
  };
}

function parse(words: string[], options: Record<string, OptionSpec>) {
  const config: ParseArgsConfig['options'] = {};
  for (const [name, { type }] of Object.entries(options)) config[name] = { type };
  try {
    return parseArgs({ args: words, options: config, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Returns the help of one command; `name` is what is typed before its arguments, such as `token create`. */
export function commandHelp(name: string, command: Command): string {
  const options = Object.entries(command.options ?? {}).map(([option, spec]) => [
    `--${option}${spec.value ? ` ${spec.value}` : ''}`,
    spec.doc,
  ]);
  const words = [name, ...(command.args ?? []).map((arg) => `<${arg}>`), ...(options.length > 0 ? ['[options]'] : [])];
  const lines = [`Usage: npm run wapbridge -- ${words.join(' ')}`, '', command.summary];
  if (options.length > 0) lines.push('', ...columns(options).map((line) => `  ${line}`));
  return lines.join('\n');
}

/** Returns a time (Unix ms) as every command shows it: ISO 8601 in UTC, as the API has it. */
export function time(at: number | null): string {
  return at === null ? '-' : new Date(at).toISOString();
}

const gap = '  ';
/** No column gets narrower for want of room: the longest id, state or action is still whole. */
const leastWidth = 17;

/** Returns rows of texts as lines with aligned columns; the widest ones are cut, with `…`, where a line would be longer than `lineWidth`. */
export function columns(rows: string[][], lineWidth = Infinity): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const room = lineWidth - gap.length * (widths.length - 1);
  const widthAt = (cap: number): number => widths.reduce((sum, width) => sum + Math.min(width, cap), 0);
  let cap = Math.max(leastWidth, ...widths);
  while (cap > leastWidth && widthAt(cap) > room) cap--;
  return rows.map((row) =>
    row
      .map((cell, column) => cut(cell, cap).padEnd(Math.min(widths[column] ?? 0, cap)))
      .join(gap)
      .trimEnd(),
  );
}

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1).trimEnd()}…` : text;
}
