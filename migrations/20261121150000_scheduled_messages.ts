import type { Knex } from 'knex';

/**
 * Messages that wait for a time. `message_due` holds only those to which something happens by the clock (they are sent, or their
 * time to live ends), so that the next one is the first row of its key, however many wait. The log is read by chat and by campaign.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`CREATE TABLE message_due (
    due_at BIGINT NOT NULL, message_id VARCHAR(26) NOT NULL, PRIMARY KEY (due_at, message_id)
  )${isSqlite(knex) ? ' WITHOUT ROWID' : ' DEFAULT CHARSET = utf8mb4'}`);
  await knex.raw(
    "INSERT INTO message_due (due_at, message_id) SELECT expires_at, id FROM messages WHERE state = 'queued' AND expires_at IS NOT NULL",
  );
  await knex.schema.alterTable('messages', (table) => {
    table.bigInteger('send_at').nullable();
    table.index(['account_id', 'chat', 'id'], 'messages_chat');
    table.index(['campaign_id', 'id'], 'messages_campaign');
  });
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('messages', (table) => {
    table.dropIndex([], 'messages_campaign');
    table.dropIndex([], 'messages_chat');
    table.dropColumn('send_at');
  });
  await knex.schema.dropTableIfExists('message_due');
}

function isSqlite(knex: Knex): boolean {
  return (knex.client as { dialect: string }).dialect.startsWith('sqlite');
}
