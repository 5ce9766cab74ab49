import type { Knex } from 'knex';

/** What the page of each instance was last found to have. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('instances', (table) => {
    table.text('self_test', 'longtext').nullable();
    table.bigInteger('self_test_at').nullable();
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('instances', (table) => {
    table.dropColumns('self_test', 'self_test_at');
  });
}
