import type { Knex } from 'knex';

/**
 * Campaigns. Recipients are consumed by a cursor for each lane (`head`), never looked for by their state: there is no index on
 * `state`, and a send costs the same among a thousand and a million. Rows at or beyond `tail` are not published yet.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('campaigns', (table) => {
    table.bigInteger('id').primary();
    table.string('account_id', 32).notNullable().references('accounts.id').onDelete('CASCADE');
    table.string('instance_id', 32).notNullable();
    table.string('name', 140).notNullable();
    table.text('template', 'longtext').notNullable();
    table.text('media', 'longtext').nullable();
    table.text('options', 'longtext').notNullable();
    table.string('state', 16).notNullable();
    table.string('pause_reason', 32).nullable();
    table.string('hold', 16).nullable();
    table.bigInteger('hold_until').nullable();
    table.smallint('loading').notNullable().defaultTo(0);
    for (const name of counters) table.integer(name).notNullable().defaultTo(0);
    table.integer('duplicates').notNullable().defaultTo(0);
    table.integer('invalid').notNullable().defaultTo(0);
    table.integer('fail_streak').notNullable().defaultTo(0);
    table.string('recent', 50).notNullable().defaultTo('');
    table.bigInteger('schedule_at').nullable();
    table.bigInteger('end_at').nullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('started_at').nullable();
    table.bigInteger('finished_at').nullable();
    table.index(['instance_id', 'state']);
    table.index(['account_id', 'id']);
    table.index(['state', 'id']);
  });

  await knex.schema.createTable('campaign_lanes', (table) => {
    table.bigInteger('campaign_id').notNullable();
    table.smallint('lane').notNullable();
    table.string('zone', 190).notNullable();
    table.bigInteger('head').notNullable();
    table.bigInteger('tail').notNullable();
    table.primary(['campaign_id', 'lane']);
  });

  await knex.raw(recipients(isSqlite(knex)));

  await knex.schema.createTable('number_pacing', (table) => {
    table.string('instance_id', 32).primary();
    table.text('pacing', 'longtext').nullable();
    table.bigInteger('next_send_at').notNullable().defaultTo(0);
    table.integer('sends_until_break').nullable();
    table.string('last_message_id', 26).nullable();
    table.bigInteger('paired_at').nullable();
    table.bigInteger('restricted_until').nullable();
  });
  // A number that is linked already has been known to WhatsApp since its instance was made.
  await knex.raw(
    'INSERT INTO number_pacing (instance_id, paired_at) SELECT id, created_at FROM instances WHERE last_ready_at IS NOT NULL',
  );

  await knex.schema.createTable('number_days', (table) => {
    table.string('instance_id', 32).notNullable();
    table.integer('day').notNullable();
    table.integer('sent').notNullable().defaultTo(0);
    table.integer('new_chats').notNullable().defaultTo(0);
    table.primary(['instance_id', 'day']);
  });

  await knex.schema.createTable('number_checks', (table) => {
    table.bigInteger('phone').primary();
    table.boolean('on_whatsapp').notNullable();
    table.bigInteger('checked_at').notNullable();
    table.index(['checked_at']);
  });

  await knex.schema.createTable('known_chats', (table) => {
    table.string('instance_id', 32).notNullable();
    table.bigInteger('phone').notNullable();
    table.bigInteger('heard_at').nullable();
    table.bigInteger('bulk_at').nullable();
    table.primary(['instance_id', 'phone']);
  });

  await knex.schema.createTable('bulk_texts', (table) => {
    table.string('account_id', 32).notNullable();
    table.bigInteger('phone').notNullable();
    table.string('text_hash', 32).notNullable();
    table.bigInteger('campaign_id').notNullable();
    table.bigInteger('sent_at').notNullable();
    table.primary(['account_id', 'phone', 'text_hash']);
    table.index(['sent_at']);
  });

  await knex.schema.createTable('opt_outs', (table) => {
    table.string('account_id', 32).notNullable();
    table.bigInteger('phone').notNullable();
    table.string('source', 190).notNullable();
    table.bigInteger('created_at').notNullable();
    table.primary(['account_id', 'phone']);
  });

  await knex.schema.createTable('opt_out_words', (table) => {
    table.string('account_id', 32).primary();
    table.text('words', 'longtext').notNullable();
  });

  await knex.schema.alterTable('messages', (table) => {
    table.bigInteger('campaign_id').nullable();
    table.smallint('lane').nullable();
    table.bigInteger('seq').nullable();
  });
}

/** One for each state of a recipient. */
const counters = [
  'n_queued',
  'n_sending',
  'n_accepted',
  'n_sent',
  'n_delivered',
  'n_read',
  'n_opted_out',
  'n_invalid_number',
  'n_duplicate',
  'n_failed',
  'n_uncertain',
  'n_cancelled',
];

/** Clustered by its cursor on both engines: InnoDB always is, SQLite when it is told to. */
function recipients(sqlite: boolean): string {
  return `CREATE TABLE campaign_recipients (
    campaign_id BIGINT NOT NULL, lane SMALLINT NOT NULL, seq BIGINT NOT NULL, phone BIGINT NOT NULL,
    state SMALLINT NOT NULL DEFAULT 0, variables VARCHAR(2000) NULL, reason VARCHAR(32) NULL,
    message_id VARCHAR(26) NULL, changed_at BIGINT NULL,
    PRIMARY KEY (campaign_id, lane, seq), CONSTRAINT campaign_recipients_phone UNIQUE (campaign_id, phone)
  )${sqlite ? ' WITHOUT ROWID' : ' DEFAULT CHARSET = utf8mb4'}`;
}

function isSqlite(knex: Knex): boolean {
  return (knex.client as { dialect: string }).dialect.startsWith('sqlite');
}

const tables = [
  'opt_out_words',
  'opt_outs',
  'bulk_texts',
  'known_chats',
  'number_checks',
  'number_days',
  'number_pacing',
  'campaign_recipients',
  'campaign_lanes',
  'campaigns',
];

export async function down(knex: Knex): Promise<void> {
  await knex.schema.alterTable('messages', (table) => {
    table.dropColumns('campaign_id', 'lane', 'seq');
  });
  for (const table of tables) await knex.schema.dropTableIfExists(table);
}
