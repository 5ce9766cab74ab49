import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { createSecrets } from '../../src/core/secrets.ts';
import { createLog } from '../../src/log.ts';
import { createDatabase } from '../../src/store/database.ts';

const [oldKey, newKey] = ['o'.repeat(40), 'n'.repeat(40)];
let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-key-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }));

async function withGateway<T>(env: Record<string, string>, work: (app: Awaited<ReturnType<typeof createApp>>) => T) {
  const config = readConfig({
    PORT: '0',
    DATA_DIR: dataDir,
    DATABASE_URL: `sqlite:${join(dataDir, 'test.db')}`,
    SANDBOX: 'true',
    WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8',
    CHROMIUM_PATH: process.env.CHROMIUM_PATH ?? '',
    ...env,
  });
  const app = await createApp({ config, log: createLog('silent') });
  try {
    return await work(app);
  } finally {
    await app.close();
  }
}

it('takes a new SECRET_KEY with the one before beside it, then alone; without it the start says what to do', async () => {
  const webhookId = await withGateway({ SECRET_KEY: oldKey }, async ({ core }) => {
    const { id: accountId } = await core.accounts.first();
    const endpoint = await core.webhooks.set(accountId, {
      url: 'http://127.0.0.1:9999/hook',
      secret: 'receiver-secret',
      dialect: 'wapbridge',
    });
    return endpoint!.id;
  });
  await expect(withGateway({ SECRET_KEY: newKey }, () => null)).rejects.toThrow(
    new RegExp(`${webhookId}.*SECRET_KEY_PREVIOUS`),
  );

  // A media link of before: the row is gone, but the signature is taken.
  const expires = Math.floor(Date.now() / 1000) + 3600;
  const link = `/media/01J00000000000000000000000?expires=${expires}&signature=${createSecrets(oldKey).sign(`media 01J00000000000000000000000 ${expires}`)}`;
  const rotated = { SECRET_KEY: newKey, SECRET_KEY_PREVIOUS: oldKey };
  expect(await withGateway(rotated, async ({ url }) => (await fetch(url + link)).status)).toBe(404);
  expect(await withGateway({ SECRET_KEY: newKey }, async ({ url }) => (await fetch(url + link)).status)).toBe(403);

  const database = createDatabase(`sqlite:${join(dataDir, 'test.db')}`);
  const { secret } = (await database.knex('webhook_endpoints').first('secret')) as { secret: string };
  await database.close();
  expect(createSecrets(newKey).open(secret)).toBe('receiver-secret');
});
