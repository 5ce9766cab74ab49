import { createCipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSealing } from '../../src/core/reseal.ts';
import { forgetPreviousKeys, readSecretKeys, rotateKeyFile } from '../../src/core/secret-keys.ts';
import { createSecrets } from '../../src/core/secrets.ts';
import { createAccountStore } from '../../src/store/accounts.ts';
import { createInstanceStore } from '../../src/store/instances.ts';
import { createWebhookStore, type StoredEndpoint } from '../../src/store/webhooks.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';
import { buildEndpoint, buildInstance } from '../support/factories.ts';

const [oldKey, newKey, otherKey] = ['o'.repeat(40), 'n'.repeat(40), 'x'.repeat(40)];
const before = createSecrets(oldKey);
const after = createSecrets({ current: newKey, previous: [oldKey] });

describe('secrets', () => {
  it('opens what it sealed, never twice the same, and nothing that was changed or sealed by another key', () => {
    const sealed = before.seal('pässword');
    expect(before.open(sealed)).toBe('pässword');
    expect(before.seal('pässword')).not.toBe(sealed);
    expect(() => before.open(`${sealed.slice(0, -2)}AA`)).toThrow(/another SECRET_KEY/);
    expect(() => createSecrets(otherKey).open(sealed)).toThrow(/another SECRET_KEY/);
    for (const text of ['plain', '', 'v2.', 'v1.abc', 'v3.abcdefgh.aaaa', sealed.replace('v2.', 'v2.x')])
      expect(() => before.open(text)).toThrow(/known form/);
  });

  it('opens with a previous key, seals with the current one, and tells them apart', () => {
    const sealed = before.seal('secret');
    expect(after.open(sealed)).toBe('secret');
    expect([before.isCurrent(sealed), after.isCurrent(sealed)]).toEqual([true, false]);
    const anew = after.seal('secret');
    expect(after.isCurrent(anew)).toBe(true);
    expect(() => before.open(anew)).toThrow(/another SECRET_KEY/);
  });

  it('opens the form without a key id, whichever of the keys it was', () => {
    const key = Buffer.from(hkdfSync('sha256', oldKey, '', 'wapbridge seal v1', 32));
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    const bytes = Buffer.concat([cipher.update('from before'), cipher.final()]);
    const sealed = `v1.${Buffer.concat([iv, cipher.getAuthTag(), bytes]).toString('base64url')}`;
    expect(after.open(sealed)).toBe('from before');
    expect(after.isCurrent(sealed)).toBe(false);
    expect(() => createSecrets(otherKey).open(sealed)).toThrow(/another SECRET_KEY/);
  });

  it('says nothing of the key in what it seals', () => {
    expect(before.seal('text')).not.toContain(oldKey.slice(0, 6));
    expect(before.seal('text').split('.')[1]).toHaveLength(8);
  });

  it('verifies signatures of any of its keys, and no others', () => {
    expect(before.verify('text', before.sign('text'))).toBe(true);
    expect(before.verify('other', before.sign('text'))).toBe(false);
    expect(before.verify('text', '')).toBe(false);
    expect(after.verify('text', before.sign('text'))).toBe(true);
    expect(after.sign('text')).not.toBe(before.sign('text'));
    expect(before.verify('text', after.sign('text'))).toBe(false);
  });
});

describe('the keys', () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'wapbridge-key-'));
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));
  const read = (secretKey: string | null = null, secretKeyPrevious: string[] = []) =>
    readSecretKeys({ secretKey, secretKeyPrevious, dataDir });

  it('are made once, readable by their owner only, also when asked for many times at once', async () => {
    const keys = await Promise.all(Array.from({ length: 5 }, () => read()));
    expect(new Set(keys.map(({ current }) => current)).size).toBe(1);
    expect(keys[0]?.current.length).toBeGreaterThanOrEqual(32);
    expect((await stat(join(dataDir, 'secret.key'))).mode & 0o777).toBe(0o600);
    expect(await readdir(dataDir)).toEqual(['secret.key']);
  });

  it('come from the configuration, which makes no file', async () => {
    expect(await read(newKey, [oldKey, newKey])).toEqual({ current: newKey, previous: [oldKey] });
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('of the file are previous ones once the configuration names another', async () => {
    const { current } = await read();
    expect(await read(newKey)).toEqual({ current: newKey, previous: [current] });
  });

  it('are rotated and forgotten in the file, which stays its owner’s', async () => {
    const { current: first } = await read();
    await rotateKeyFile(dataDir);
    const { current: second, previous } = await read();
    expect(second).not.toBe(first);
    expect(previous).toEqual([first]);
    expect((await stat(join(dataDir, 'secret.key'))).mode & 0o777).toBe(0o600);
    expect(await forgetPreviousKeys(dataDir)).toBe(1);
    expect(await forgetPreviousKeys(dataDir)).toBe(0);
    expect(await read()).toEqual({ current: second, previous: [] });
    expect(await readdir(dataDir)).toEqual(['secret.key']);
  });

  it.each(['short', `${oldKey}\nshort`, ''])(
    'that are none are refused, and the file %j stays as it is',
    async (text) => {
      await writeFile(join(dataDir, 'secret.key'), text);
      await expect(read()).rejects.toThrow(/at least 32/);
      expect(await readFile(join(dataDir, 'secret.key'), 'utf8')).toBe(text);
    },
  );
});

forEachDatabase((open) => {
  let test: TestDatabase;
  beforeEach(async () => {
    test = await open();
  });
  afterEach(() => test.drop());

  async function setUp() {
    const { database } = test;
    const account = await createAccountStore(database).first(Date.now());
    const endpoints = createWebhookStore(database);
    const build = async (patch: Partial<StoredEndpoint>) => {
      const endpoint = buildEndpoint({ ...patch, accountId: account.id });
      await endpoints.insert(endpoint);
      return endpoint.id;
    };
    const instances = createInstanceStore(database);
    const sealing = (secrets: ReturnType<typeof createSecrets>) =>
      createSealing({ database, endpoints, instances, secrets });
    return { endpoints, instances, build, sealing };
  }

  it('seals the proxies of instances anew, and stops an instance rather than letting it go without its proxy', async () => {
    const { instances, sealing } = await setUp();
    const { id } = await buildInstance(test.database);
    await instances.update(id, { proxySealed: before.seal('socks5://me:hush@proxy:1080') });
    expect(await sealing(after).state()).toEqual({ total: 1, old: 1, lost: [] });
    expect(await sealing(after).renew()).toBe(1);
    const { proxySealed } = (await instances.byId(id))!;
    expect(after.isCurrent(proxySealed!)).toBe(true);
    expect(after.open(proxySealed!)).toBe('socks5://me:hush@proxy:1080');

    const stranger = createSecrets(otherKey);
    await expect(sealing(stranger).renew()).rejects.toThrow(id);
    expect(await sealing(stranger).discardLost()).toEqual([id]);
    expect(await instances.byId(id)).toMatchObject({ proxySealed: null, desiredState: 'stopped', state: 'stopped' });
  });

  it('keeps a secret or a proxy that is set while it seals anew', async () => {
    const { endpoints, instances, build } = await setUp();
    const { id } = await buildInstance(test.database);
    const webhook = await build({ sealedSecret: before.seal('old') });
    await instances.update(id, { proxySealed: before.seal('http://old:1') });
    const changed: Promise<void>[] = [];
    /** Right after the rows were read; where they are locked, it has to wait. */
    async function overtake<T>(rows: T, change: Promise<void>): Promise<T> {
      changed.push(change);
      await Promise.race([change, new Promise((resolve) => setTimeout(resolve, 200))]);
      return rows;
    }
    await createSealing({
      database: test.database,
      endpoints: {
        ...endpoints,
        sealed: async (on) =>
          overtake(await endpoints.sealed(on), endpoints.update(webhook, { sealedSecret: after.seal('new') })),
      },
      instances: {
        ...instances,
        sealed: async (on) =>
          overtake(await instances.sealed(on), instances.update(id, { proxySealed: after.seal('http://new:1') })),
      },
      secrets: after,
    }).renew();
    await Promise.all(changed);
    expect(after.open((await endpoints.byId(webhook))!.sealedSecret!)).toBe('new');
    expect(after.open((await instances.byId(id))!.proxySealed!)).toBe('http://new:1');
  });

  it('seals stored secrets anew with the current key, all kinds of them, and changes nothing else', async () => {
    const { endpoints, build, sealing } = await setUp();
    const id = await build({
      sealedSecret: before.seal('now'),
      oldSecrets: [{ sealed: before.seal('then'), until: 5 }],
      headerNames: ['x-a'],
      sealedHeaders: before.seal('{"x-a":"1"}'),
      enabled: false,
    });
    await build({});
    const fresh = await build({ sealedSecret: after.seal('fresh') });
    const was = await endpoints.byId(id);
    const untouched = await endpoints.byId(fresh);

    expect(await sealing(after).state()).toEqual({ total: 2, old: 1, lost: [] });
    expect(await sealing(after).renew()).toBe(1);
    expect(await sealing(after).renew()).toBe(0);
    const now = (await endpoints.byId(id))!;
    const alone = createSecrets(newKey);
    expect(alone.open(now.sealedSecret!)).toBe('now');
    expect(now.oldSecrets.map(({ sealed, until }) => [alone.open(sealed), until])).toEqual([['then', 5]]);
    expect(alone.open(now.sealedHeaders!)).toBe('{"x-a":"1"}');
    expect({ ...now, sealedSecret: '', oldSecrets: [], sealedHeaders: '' }).toEqual({
      ...was,
      sealedSecret: '',
      oldSecrets: [],
      sealedHeaders: '',
    });
    expect(await endpoints.byId(fresh)).toEqual(untouched);
  });

  it('stops in words where no key opens a stored secret, and changes nothing', async () => {
    const { endpoints, build, sealing } = await setUp();
    const good = await build({ sealedSecret: before.seal('good') });
    const lost = await build({ sealedSecret: createSecrets(otherKey).seal('lost') });
    await expect(sealing(after).renew()).rejects.toThrow(
      new RegExp(
        `does not open what is stored for a webhook or proxy \\(${lost}\\).*SECRET_KEY_PREVIOUS.*secret discard`,
      ),
    );
    expect(before.open((await endpoints.byId(good))!.sealedSecret!)).toBe('good');
    expect(await sealing(after).state()).toEqual({ total: 2, old: 2, lost: [lost] });
  });

  it('discards secrets that no key opens and disables their webhooks', async () => {
    const { endpoints, build, sealing } = await setUp();
    await build({ sealedSecret: before.seal('good') });
    const lost = await build({ headerNames: ['x-a'], sealedHeaders: createSecrets(otherKey).seal('{}') });
    expect(await sealing(after).discardLost()).toEqual([lost]);
    expect(await endpoints.byId(lost)).toMatchObject({ sealedHeaders: null, headerNames: [], enabled: false });
    expect(await sealing(after).renew()).toBe(1);
  });
});
