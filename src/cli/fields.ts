import { columns, type Context } from './command.ts';
import type { Answer } from './gateway.ts';

/** Returns the list that an answer has under a name. */
export function rowsOf(answer: Answer, name: string): Record<string, unknown>[] {
  return (answer[name] ?? []) as Record<string, unknown>[];
}

/** Prints these fields of the rows as a table, their names on top. */
export function printTable({ print }: Context, names: string[], found: Record<string, unknown>[]): void {
  const rows = found.map((row) => names.map((name) => cellOf(row[name])));
  print(columns([names.map((name) => name.replaceAll('_', ' ').toUpperCase()), ...rows]).join('\n'));
}

/** Prints an answer, a line a field. */
export function printFields({ print }: Context, answer: Answer): void {
  const fields = Object.entries(answer).filter(([name]) => name !== 'ok' && name !== 'message');
  print(columns(fields.map(([name, value]) => [name, cellOf(value)])).join('\n'));
}

function cellOf(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  if (Array.isArray(value)) return value.join(', ') || '-';
  return (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(/\s+/g, ' ');
}
