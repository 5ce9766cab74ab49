import type { Knex } from 'knex';

/** Every time is Unix ms in a bigint `*_at`; ids are made in code; JSON lives in longtext: the portable subset of both engines. */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('sequences', (table) => {
    table.string('name', 64).primary();
    table.bigInteger('value').notNullable();
  });

  await knex.schema.createTable('accounts', (table) => {
    table.string('id', 32).primary();
    table.string('title', 140).notNullable();
    table.bigInteger('created_at').notNullable();
  });

  await knex.schema.createTable('tokens', (table) => {
    table.string('id', 26).primary();
    table.string('account_id', 32).notNullable().references('accounts.id').onDelete('CASCADE');
    table.string('token_key', 64).notNullable().unique();
    table.string('secret_hash', 64).notNullable();
    table.string('secret_tail', 4).notNullable();
    table.string('scope', 16).notNullable();
    table.string('instance_id', 32).nullable();
    table.string('title', 140).notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('last_used_at').nullable();
    table.bigInteger('revoked_at').nullable();
    table.index(['account_id']);
  });

  await knex.schema.createTable('instances', (table) => {
    table.string('id', 32).primary();
    table.string('account_id', 32).notNullable().references('accounts.id').onDelete('CASCADE');
    table.string('title', 140).notNullable();
    table.string('desired_state', 16).notNullable();
    table.string('state', 24).notNullable();
    table.string('reason', 500).nullable();
    table.string('phone', 20).nullable();
    table.string('lid', 64).nullable();
    table.string('push_name', 140).nullable();
    table.string('default_country', 2).nullable();
    table.string('web_version', 64).nullable();
    table.bigInteger('last_event_at').nullable();
    table.bigInteger('last_ready_at').nullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('deleted_at').nullable();
    table.index(['account_id', 'phone']);
  });

  await knex.schema.createTable('media', (table) => {
    table.string('id', 26).primary();
    table.string('account_id', 32).notNullable();
    table.string('sha256', 64).notNullable();
    table.string('mime_type', 140).notNullable();
    table.string('filename', 255).nullable();
    table.bigInteger('size_bytes').notNullable();
    table.bigInteger('created_at').notNullable();
    table.index(['account_id', 'sha256']);
    table.index(['created_at']);
  });

  await knex.schema.createTable('messages', (table) => {
    table.string('id', 26).primary();
    table.string('account_id', 32).notNullable();
    table.string('instance_id', 32).notNullable();
    table.string('direction', 3).notNullable();
    table.string('wa_id', 64).notNullable();
    table.string('wa_key', 190).notNullable();
    table.string('chat', 80).notNullable();
    table.string('sender', 80).nullable();
    table.string('sender_phone', 20).nullable();
    table.string('sender_name', 140).nullable();
    table.text('content', 'longtext').notNullable();
    table.string('state', 16).notNullable();
    table.string('reason', 32).nullable();
    table.smallint('ack').notNullable();
    table.smallint('priority').notNullable();
    table.integer('attempts').notNullable().defaultTo(0);
    table.bigInteger('expires_at').nullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('happened_at').nullable();
    table.bigInteger('acked_at').nullable();
    table.unique(['instance_id', 'direction', 'wa_id'], { indexName: 'messages_wa_id' });
    table.index(['instance_id', 'state', 'priority', 'id'], 'messages_outbox');
    table.index(['account_id', 'id'], 'messages_log');
  });

  await knex.schema.createTable('idempotency_keys', (table) => {
    table.string('account_id', 32).notNullable();
    table.string('idempotency_key', 190).notNullable();
    table.string('request_hash', 64).notNullable();
    table.text('answer', 'longtext').nullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['account_id', 'idempotency_key']);
    table.index(['created_at']);
  });

  await knex.schema.createTable('lids', (table) => {
    table.string('lid', 64).primary();
    table.string('phone', 20).notNullable();
    table.bigInteger('seen_at').notNullable();
    table.index(['phone']);
  });

  await knex.schema.createTable('events', (table) => {
    table.string('id', 26).primary();
    table.string('account_id', 32).notNullable();
    table.string('instance_id', 32).nullable();
    table.string('type', 48).notNullable();
    table.text('payload', 'longtext').notNullable();
    table.string('order_key', 128).notNullable();
    table.bigInteger('created_at').notNullable();
    table.index(['account_id', 'id']);
  });

  await knex.schema.createTable('webhook_endpoints', (table) => {
    table.string('id', 26).primary();
    table.string('account_id', 32).notNullable().references('accounts.id').onDelete('CASCADE');
    table.string('instance_id', 32).nullable();
    table.string('url', 2048).notNullable();
    table.string('dialect', 24).notNullable();
    table.text('events', 'longtext').notNullable();
    table.text('secret', 'longtext').nullable();
    table.boolean('enabled').notNullable();
    table.string('disabled_reason', 255).nullable();
    table.integer('fail_streak').notNullable().defaultTo(0);
    table.bigInteger('first_failure_at').nullable();
    table.bigInteger('open_until').nullable();
    table.bigInteger('created_at').notNullable();
    table.index(['account_id', 'instance_id']);
  });

  await knex.schema.createTable('webhook_deliveries', (table) => {
    table.string('id', 26).primary();
    table.string('endpoint_id', 26).notNullable().references('webhook_endpoints.id').onDelete('CASCADE');
    table.string('event_id', 26).notNullable();
    table.string('order_key', 128).notNullable();
    table.string('state', 16).notNullable();
    table.integer('attempt').notNullable().defaultTo(0);
    table.bigInteger('due_at').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('finished_at').nullable();
    table.index(['endpoint_id', 'state', 'id'], 'webhook_deliveries_pending');
    table.index(['state', 'due_at'], 'webhook_deliveries_due');
    table.index(['event_id']);
  });

  await knex.schema.createTable('webhook_attempts', (table) => {
    table.string('id', 26).primary();
    table.string('delivery_id', 26).notNullable();
    table.string('endpoint_id', 26).notNullable();
    table.integer('attempt').notNullable();
    table.integer('status').nullable();
    table.string('error', 255).nullable();
    table.string('response', 1024).nullable();
    table.integer('duration_ms').notNullable();
    table.bigInteger('created_at').notNullable();
    table.index(['delivery_id']);
    table.index(['endpoint_id', 'id']);
  });
}

const tables = [
  'webhook_attempts',
  'webhook_deliveries',
  'webhook_endpoints',
  'events',
  'lids',
  'idempotency_keys',
  'messages',
  'media',
  'instances',
  'tokens',
  'accounts',
  'sequences',
];

export async function down(knex: Knex): Promise<void> {
  for (const table of tables) await knex.schema.dropTableIfExists(table);
}
