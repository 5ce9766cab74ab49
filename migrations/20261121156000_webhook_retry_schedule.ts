import type { Knex } from 'knex';

/** An endpoint may have a retry schedule of its own: a JSON list of seconds, null for the usual one. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('webhook_endpoints', (table) => {
    table.string('retry_seconds').nullable();
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('webhook_endpoints', (table) => {
    table.dropColumn('retry_seconds');
  });
}
