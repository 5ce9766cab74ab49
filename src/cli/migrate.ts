import { createDatabase } from '../store/database.ts';
import type { Command } from './command.ts';
import { withoutPassword } from './config.ts';

/** `migrate`: the same that the gateway does at start, for installations with MIGRATE_AT_START=false. */
export const migrateCommand: Command = {
  summary: 'Brings the database schema up to date.',
  async run(_, { config, print }) {
    const { databaseUrl } = config();
    const database = createDatabase(databaseUrl);
    try {
      const done = await database.migrate();
      const where = withoutPassword(databaseUrl);
      print(done.length === 0 ? `${where} is up to date.` : `${where} is up to date now: ${done.join(', ')}`);
    } finally {
      await database.close();
    }
  },
};
