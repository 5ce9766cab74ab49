import type { Knex } from 'knex';

/** What people change about messages afterwards: when it was edited or revoked last, and who reacted with what. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.alterTable('messages', (table) => {
    table.bigInteger('edited_at').nullable();
    table.bigInteger('revoked_at').nullable();
  });
  await knex.schema.createTable('message_reactions', (table) => {
    table.string('message_id', 26).notNullable().references('messages.id').onDelete('CASCADE');
    table.string('sender', 80).notNullable();
    table.string('emoji', 64).notNullable();
    table.bigInteger('reacted_at').notNullable();
    table.primary(['message_id', 'sender']);
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTable('message_reactions');
  await knex.schema.alterTable('messages', (table) => {
    table.dropColumns('edited_at', 'revoked_at');
  });
}
