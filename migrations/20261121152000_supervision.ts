import type { Knex } from 'knex';

const columns = [
  'action_code',
  'state_since',
  'attempts',
  'next_attempt_at',
  'linked_at',
  'on_conflict',
  'proxy_sealed',
  'user_agent',
];

/** What the supervisor must still know after a restart of the gateway, and what may be set for one instance alone. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('instances', (table) => {
    table.string('action_code', 32).nullable();
    table.bigInteger('state_since').nullable();
    table.integer('attempts').notNullable().defaultTo(0);
    table.bigInteger('next_attempt_at').nullable();
    table.bigInteger('linked_at').nullable();
    table.string('on_conflict', 16).notNullable().defaultTo('wait');
    table.text('proxy_sealed').nullable();
    table.string('user_agent', 500).nullable();
  });
  // Whoever was ready once and has not been logged out since is linked.
  await knex('instances')
    .whereNotNull('last_ready_at')
    .whereNotIn('state', ['created', 'qr', 'pairing', 'logged_out'])
    .update({ linked_at: knex.ref('last_ready_at') });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('instances', (table) => table.dropColumns(...columns));
}
