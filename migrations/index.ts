import type { Knex } from 'knex';
import * as initial from './20261120090000_initial.ts';
import * as campaigns from './20261121090000_campaigns.ts';
import * as webhooks from './20261121120000_webhooks.ts';
import * as scheduledMessages from './20261121150000_scheduled_messages.ts';
import * as audit from './20261121151000_audit.ts';
import * as supervision from './20261121152000_supervision.ts';
import * as selfTest from './20261121153000_self_test.ts';
import * as messageChanges from './20261121154000_message_changes.ts';
import * as instanceHistory from './20261121155000_instance_history.ts';
import * as webhookRetrySchedule from './20261121156000_webhook_retry_schedule.ts';
import * as gatewayClaim from './20261121157000_gateway_claim.ts';

/** One schema change. */
export interface Migration {
  up(knex: Knex): Promise<void>;
  down(knex: Knex): Promise<void>;
}

/**
 * Every migration in the order it is run. Names have no extension: knex calls the directory corrupt when a `.ts` file
 * of development is a `.js` file in the build.
 */
export const migrations: readonly { name: string; migration: Migration }[] = [
  { name: '20261120090000_initial', migration: initial },
  { name: '20261121090000_campaigns', migration: campaigns },
  { name: '20261121120000_webhooks', migration: webhooks },
  { name: '20261121150000_scheduled_messages', migration: scheduledMessages },
  { name: '20261121151000_audit', migration: audit },
  { name: '20261121152000_supervision', migration: supervision },
  { name: '20261121153000_self_test', migration: selfTest },
  { name: '20261121154000_message_changes', migration: messageChanges },
  { name: '20261121155000_instance_history', migration: instanceHistory },
  { name: '20261121156000_webhook_retry_schedule', migration: webhookRetrySchedule },
  { name: '20261121157000_gateway_claim', migration: gatewayClaim },
];
