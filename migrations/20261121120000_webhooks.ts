import type { Knex } from 'knex';

/** Several endpoints for each account and instance, with their own headers, order and past secrets; counts towards giving one up. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('webhook_endpoints', (table) => {
    table.boolean('is_default').notNullable().defaultTo(false);
    table.boolean('is_ordered').notNullable().defaultTo(false);
    table.string('title', 140).nullable();
    table.text('headers', 'longtext').nullable();
    table.text('old_secrets', 'longtext').nullable();
    table.integer('exhausted').notNullable().defaultTo(0);
  });
  await knex('webhook_endpoints').update({ is_default: true });
  // Nothing asks by it, and every delivery that ends had to move in it.
  await knex.schema.alterTable('webhook_deliveries', (table) => {
    table.dropIndex([], 'webhook_deliveries_due');
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('webhook_deliveries', (table) => {
    table.index(['state', 'due_at'], 'webhook_deliveries_due');
  });
  await knex.schema.alterTable('webhook_endpoints', (table) => {
    table.dropColumns('is_default', 'is_ordered', 'title', 'headers', 'old_secrets', 'exhausted');
  });
}
