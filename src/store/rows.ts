import type { Connection } from './database.ts';

/** Rows per statement; a few sizes only, so that few statements are prepared. */
const chunkSizes = [64, 16, 4, 1];

/**
 * Writes rows of one shape, many in a statement. knex would write a SELECT … UNION ALL for SQLite and compile it anew each time:
 * with VALUES and a kept text it takes a third of that.
 */
export function createRowWriter<T extends object>(
  table: string,
  columns: readonly (keyof T & string)[],
): (connection: Connection, rows: readonly T[]) => Promise<void> {
  const texts = new Map<number, string>();

  function textFor(count: number): string {
    const known = texts.get(count);
    if (known !== undefined) return known;
    const row = `(${columns.map(() => '?').join(',')})`;
    const text = `insert into ${table} (${columns.join(',')}) values ${Array.from({ length: count }, () => row).join(',')}`;
    texts.set(count, text);
    return text;
  }

  return async (connection, rows) => {
    let at = 0;
    while (at < rows.length) {
      const count = chunkSizes.find((size) => size <= rows.length - at) ?? 1;
      const bindings = rows.slice(at, at + count).flatMap((row) => columns.map((column) => row[column] ?? null));
      await connection.raw(textFor(count), bindings as never[]);
      at += count;
    }
  };
}
