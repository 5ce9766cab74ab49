import type { Knex } from 'knex';

/** Which gateway works on this database: one row, whose holder touches it every few seconds. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('gateway_claim', (table) => {
    table.integer('id').primary();
    table.string('holder', 26).nullable();
    table.text('owner').nullable();
    table.bigInteger('beat_at').notNullable();
  });
  await knex('gateway_claim').insert({ id: 1, holder: null, owner: null, beat_at: 0 });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('gateway_claim');
}
