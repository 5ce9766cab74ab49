import type { Knex } from 'knex';

/** knex prints to the console what it throws as well; the one who catches it logs it. With `compileSqlOnError: false` it names the statement without its values: they are people's texts, numbers and addresses. */
export const quiet: Knex.Logger = { warn: () => undefined, error: () => undefined, debug: () => undefined };
