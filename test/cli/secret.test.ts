import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSecrets } from '../../src/core/secrets.ts';
import { readSecretKeys } from '../../src/core/secret-keys.ts';
import { createSealing } from '../../src/core/reseal.ts';
import { createAccountStore } from '../../src/store/accounts.ts';
import { createDatabase } from '../../src/store/database.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createWebhookStore } from '../../src/store/webhooks.ts';
import { cli } from './support.ts';

let dir: string;
let env: Record<string, string>;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'wapbridge-cli-'));
  env = { DATA_DIR: dir, DATABASE_URL: `sqlite:${join(dir, 'test.db')}` };
  await cli(['migrate'], env);
});
afterEach(() => rm(dir, { recursive: true, force: true, maxRetries: 5 }));

/** Stores a webhook whose secret is sealed by the present key, or by another. */
async function buildWebhook(key?: string): Promise<void> {
  await withDatabase(async (database) => {
    const secrets = createSecrets(key ?? (await keys()));
    const { id: accountId } = await createAccountStore(database).first(1);
    await database.knex('webhook_endpoints').insert({
      id: '01J00000000000000000000000',
      account_id: accountId,
      url: 'http://127.0.0.1:1/',
      dialect: 'wapbridge',
      events: '[]',
      secret: secrets.seal('secret'),
      enabled: true,
      created_at: 1,
    });
  });
}

const keys = () => readSecretKeys({ secretKey: null, secretKeyPrevious: [], dataDir: dir });
const restart = () =>
  withDatabase(async (database) =>
    createSealing({
      database,
      endpoints: createWebhookStore(database),
      instances: createInstanceStore(database),
      secrets: createSecrets(await keys()),
    }).renew(),
  );

async function withDatabase<T>(work: (database: ReturnType<typeof createDatabase>) => Promise<T>): Promise<T> {
  const database = createDatabase(env.DATABASE_URL!);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

it('rotates the key of the data folder, keeps the old one until nothing needs it, then forgets it', async () => {
  await buildWebhook();
  const { current: first } = await keys();
  const rotated = await cli(['secret', 'rotate'], env);
  expect(rotated.status).toBe(0);
  expect(rotated.out + rotated.err).not.toContain(first);
  expect((await cli(['secret', 'status'], env)).out).toMatch(/previous keys +1\n.* 1\n.*previous key +1\n.*opens +0/);
  expect(await cli(['secret', 'forget'], env)).toMatchObject({ status: 1, err: expect.stringContaining('restart') });

  expect(await restart()).toBe(1);
  expect((await cli(['secret', 'forget'], env)).out).toBe('1 previous keys are forgotten.');
  expect(await keys()).toMatchObject({ previous: [] });
  expect((await cli(['secret', 'status'], env)).out).toMatch(/previous key +0\n.*opens +0/);
  expect(await readFile(join(dir, 'secret.key'), 'utf8')).not.toContain(first);
});

it('says how to rotate a key that is set by the environment, and shows no key that is in use', async () => {
  const { status, out, err } = await cli(['secret', 'rotate'], { ...env, SECRET_KEY: 'k'.repeat(40) });
  expect(status).toBe(0);
  expect(out).toMatch(/^SECRET_KEY=[\w-]{43}$/);
  expect(err).toContain('SECRET_KEY_PREVIOUS');
  expect(out + err).not.toContain('kkkk');
});

it('names what no key opens, and discards it only when told so twice', async () => {
  await buildWebhook('x'.repeat(40));
  expect(await cli(['secret', 'status'], env)).toMatchObject({ status: 1, out: expect.stringContaining('01J0000') });
  expect(await cli(['secret', 'discard'], env)).toMatchObject({ status: 1, err: expect.stringContaining('--yes') });
  expect((await cli(['secret', 'discard', '--yes'], env)).status).toBe(0);
  expect((await cli(['secret', 'discard'], env)).out).toContain('nothing is discarded');
  expect((await cli(['secret', 'status'], env)).status).toBe(0);
});
