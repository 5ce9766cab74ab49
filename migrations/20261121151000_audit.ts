import type { Knex } from 'knex';

/** Who changed what, when, and from where. It outlives what it speaks of, so nothing is referenced. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('audit_log', (table) => {
    table.string('id', 26).primary();
    table.string('account_id', 32).notNullable();
    table.string('action', 48).notNullable();
    table.string('actor_kind', 16).notNullable();
    table.string('actor_key', 64).nullable();
    table.string('actor_title', 140).nullable();
    table.string('ip', 64).nullable();
    table.string('subject', 64).nullable();
    table.string('instance_id', 32).nullable();
    table.text('changes', 'longtext').notNullable();
    table.bigInteger('created_at').notNullable();
    table.index(['account_id', 'id']);
    table.index(['account_id', 'action', 'id']);
    table.index(['account_id', 'subject', 'id']);
    table.index(['account_id', 'instance_id', 'id']);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTableIfExists('audit_log');
}
