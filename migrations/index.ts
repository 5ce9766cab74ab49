import type { Knex } from 'knex';
import * as initial from './20261120090000_initial.ts';
import * as campaigns from './20261121090000_campaigns.ts';
import * as webhooks from './20261121120000_webhooks.ts';

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
];
