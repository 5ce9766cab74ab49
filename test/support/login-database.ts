import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Returns the folder in a profile in which WhatsApp Web keeps its login. */
export function loginDatabaseOf(profileDir: string): string {
  return join(profileDir, 'Default/IndexedDB/https_web.whatsapp.com_0.indexeddb.leveldb');
}

/** Does this to every file that holds something of the login. */
export async function damageLogin(profileDir: string, damage: (file: string) => Promise<unknown>): Promise<void> {
  const database = loginDatabaseOf(profileDir);
  for (const name of await readdir(database)) if (!/^(LOCK|LOG)/.test(name)) await damage(join(database, name));
}
