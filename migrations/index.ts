import type { Knex } from 'knex';
import * as initial from './20261120090000_initial.ts';

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
];
