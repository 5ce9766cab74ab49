import type { Knex } from 'knex';

/** What became of each instance. Events say it too, but lie among millions of others, and go after a few days. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('instance_history', (table) => {
    table.string('id', 26).primary();
    table.string('instance_id', 32).notNullable();
    table.string('state', 24).notNullable();
    table.string('code', 32).nullable();
    table.string('reason', 500).nullable();
    table.bigInteger('created_at').notNullable();
    table.index(['instance_id', 'id']);
    table.index(['created_at']);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTableIfExists('instance_history');
}
