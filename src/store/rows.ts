import type { Connection, Database } from './database.ts';

/**
 * Rows per statement. SQLite: a few sizes only, so that few statements are prepared; another statement there costs no round trip.
 * MySQL and MariaDB prepare nothing and answer over a socket: one statement for all rows, up to what fits into a packet.
 */
const chunkSizes: Record<Database['engine'], (left: number) => number> = {
  sqlite: (left) => [64, 16, 4].find((size) => size <= left) ?? 1,
  mysql: (left) => Math.min(left, 128),
};

/** Writes rows of one shape. */
interface RowWriter<T> {
  write(connection: Connection, rows: readonly T[]): Promise<void>;
  /** Tells whether so many rows go in one statement, which needs no transaction. */
  isOneStatement(count: number): boolean;
}

/**
 * Returns what writes rows of one shape, many in a statement. knex would write a SELECT … UNION ALL for SQLite and compile it anew
 * each time: with VALUES and a kept text it takes a third of that.
 */
export function createRowWriter<T extends object>(
  { engine }: Pick<Database, 'engine'>,
  table: string,
  columns: readonly (keyof T & string)[],
): RowWriter<T> {
  const chunkSize = chunkSizes[engine];
  const texts = new Map<number, string>();

  function textFor(count: number): string {
    const known = texts.get(count);
    if (known !== undefined) return known;
    const row = `(${columns.map(() => '?').join(',')})`;
    const text = `insert into ${table} (${columns.join(',')}) values ${Array.from({ length: count }, () => row).join(',')}`;
    texts.set(count, text);
    return text;
  }

  return {
    async write(connection, rows) {
      let at = 0;
      while (at < rows.length) {
        const count = chunkSize(rows.length - at);
        const bindings = rows.slice(at, at + count).flatMap((row) => columns.map((column) => row[column] ?? null));
        await connection.raw(textFor(count), bindings as never[]);
        at += count;
      }
    },

    isOneStatement: (count) => chunkSize(count) === count,
  };
}
