import type { Database } from '../../src/store/database.ts';

/** Tables that grow with recipients and messages: nothing that is done for each send may read one of them as a whole. */
const large = [
  'campaign_recipients',
  'messages',
  'known_chats',
  'bulk_texts',
  'number_checks',
  'opt_outs',
  'number_days',
  'webhook_deliveries',
  'message_due',
];

/** Returns the statements that the engine would answer by reading a large table or index from end to end. */
export async function fullScans(database: Database, statements: ReadonlyMap<string, unknown[]>): Promise<string[]> {
  const found: string[] = [];
  for (const [sql, bindings] of statements) {
    if (!/^\s*(select|update|delete)/i.test(sql) || /group by/i.test(sql)) continue;
    const prefix = database.engine === 'sqlite' ? 'EXPLAIN QUERY PLAN' : 'EXPLAIN';
    const answer = (await database.knex.raw(`${prefix} ${sql}`, bindings as string[])) as unknown;
    const plan = (database.engine === 'sqlite' ? answer : (answer as unknown[])[0]) as Record<string, unknown>[];
    for (const step of plan) if (scans(step)) found.push(`${sql}: ${JSON.stringify(step)}`);
  }
  return found;
}

function scans(step: Record<string, unknown>): boolean {
  const detail = step.detail as string | undefined;
  if (detail !== undefined) return large.some((table) => detail.startsWith(`SCAN ${table}`));
  return large.includes(step.table as string) && ['ALL', 'index'].includes(step.type as string);
}
