import { mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { accountCaller, type Caller } from '../../src/model/token.ts';
import type { Instance } from '../../src/model/instance.ts';
import { browsersIn } from '../support/browsers.ts';
import { until } from '../support/clock.ts';
import { openSqlite, type TestDatabase } from '../support/database.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { damageLogin, loginDatabaseOf } from '../support/login-database.ts';

const phones = [1, 2, 3, 4, 5].map((n) => `25575700000${n}`);
const shutdownMs = 28_000;

let opened: TestDatabase;
let gateway: TestGateway;
let caller: Caller;
let ids: string[];

beforeAll(async () => {
  opened = await openSqlite();
  gateway = await startGateway(opened.url, {}, { supervision: { firstPauseMs: 200 } });
  caller = accountCaller((await gateway.app.core.accounts.first()).id);
  ids = await Promise.all(phones.map((phone) => gateway.link(phone)));
});

afterAll(async () => {
  await gateway?.stop();
  await opened?.drop();
});

const get = (id: string): Promise<Instance> => gateway.app.core.instances.get(caller, id);
const profile = (id: string) => join(gateway.dataDir, 'profiles', id);

it('ends five instances in time, leaves no process, and brings all back without a scan', async () => {
  const startedAt = performance.now();
  await gateway.app.close();
  expect(performance.now() - startedAt).toBeLessThan(shutdownMs);
  expect(browsersIn(gateway.dataDir)).toEqual([]);
  await gateway.restart();
  await Promise.all(ids.map((id) => gateway.waitUntilReady(id)));
  for (const id of ids) expect(await get(id)).toMatchObject({ attempts: 0, actionCode: null });
});

it.each([
  ['is overwritten', (file: string) => writeFile(file, Buffer.alloc(4_096, 0xaa))],
  ['is cut off', (file: string) => writeFile(file, '')],
  ['is missing', (file: string) => rm(file)],
])('restores a login whose database %s from the copy of the last clean end, without a scan', async (_, damage) => {
  const [id] = ids as [string];
  await gateway.app.core.instances.disconnect(caller, id);
  await damageLogin(profile(id), damage);
  const states: string[] = [];
  await gateway.app.core.instances.connect(caller, id);
  await until('it is ready', async () => {
    const { state } = await get(id);
    if (states.at(-1) !== state) states.push(state);
    return state === 'ready';
  });
  expect(states).not.toContain('qr');
  const sent = await gateway.call('wap_bridge.api.whatsapp.send_api_message', {
    instance_id: id,
    to_number: '255757123456',
    message: `after the damage ${states.length}`,
  });
  expect(sent.json).toMatchObject({ ok: true, status: expect.stringMatching(/accepted|sent|delivered|read/) });
  expect((await stat(`${profile(id)}.damaged`)).isDirectory()).toBe(true);
});

it('restores a login that is damaged again with no good end in between, without a scan', async () => {
  const [id] = ids as [string];
  await gateway.app.core.instances.disconnect(caller, id);
  const newCopies = async () =>
    (await readdir(join(gateway.dataDir, 'profiles'))).filter((name) => name.startsWith(`${id}.copy.`));
  const before = await newCopies();
  for (let time = 0; time < 3; time += 1) {
    for (const browser of browsersIn(profile(id))) process.kill(browser, 'SIGKILL');
    await until('no browser is left', () => browsersIn(profile(id)).length === 0);
    await damageLogin(profile(id), (file) => writeFile(file, ''));
    if (time === 0) await gateway.app.core.instances.connect(caller, id);
    const startedAt = Date.now();
    await until('it is ready again', async () => {
      const { state, lastReadyAt } = await get(id);
      expect(state).not.toBe('qr');
      return state === 'ready' && (lastReadyAt ?? 0) > startedAt;
    });
    await until('its copy may be used again', async () => (await newCopies()).join() === before.join());
  }
});

it('restores a login whose database cannot even be opened, without a scan', async () => {
  const [id] = ids as [string];
  await gateway.app.core.instances.disconnect(caller, id);
  const database = loginDatabaseOf(profile(id));
  await rm(database, { recursive: true });
  await mkdir(join(database, 'CURRENT'), { recursive: true });
  await mkdir(join(database, 'LOCK'));
  await mkdir(join(database, 'MANIFEST-000001', 'x'), { recursive: true });
  await gateway.app.core.instances.connect(caller, id);
  await gateway.waitUntilReady(id);
  expect(await get(id)).toMatchObject({ actionCode: null, attempts: 0 });
});

it('asks for a new scan when the login is lost with every copy, and says so', async () => {
  const id = ids[1]!;
  await gateway.app.core.instances.disconnect(caller, id);
  const beside = await readdir(join(gateway.dataDir, 'profiles'));
  for (const name of beside)
    if (name.startsWith(`${id}.copy.`)) await rm(join(profile('.'), name), { recursive: true });
  await rm(join(profile(id), 'Default'), { recursive: true });
  await gateway.app.core.instances.connect(caller, id);
  await until('it asks', async () => (await get(id)).state === 'qr');
  expect(await get(id)).toMatchObject({ actionCode: 'scan_again', linkedAt: null });
  const { json } = await gateway.call('wap_bridge.api.instances.get_qr', { instance_id: id });
  await gateway.app.sandbox!.network.link(json.qr, { phone: phones[1]! });
  await gateway.waitUntilReady(id);
  expect(await get(id)).toMatchObject({ actionCode: null, reason: null });
});

it('keeps at most two copies', async () => {
  const id = ids[2]!;
  for (let round = 0; round < 4; round += 1) {
    await gateway.app.core.instances.disconnect(caller, id);
    await gateway.app.core.instances.connect(caller, id);
    await gateway.waitUntilReady(id);
  }
  const names = await readdir(join(gateway.dataDir, 'profiles'));
  expect(names.filter((name) => name.startsWith(`${id}.copy.`))).toHaveLength(2);
});

it('removes a profile with everything beside it', async () => {
  const id = ids[3]!;
  await gateway.app.core.instances.remove(caller, id);
  const names = await readdir(join(gateway.dataDir, 'profiles'));
  expect(names.filter((name) => name.startsWith(id))).toEqual([]);
});

it('opens no profile that another gateway reaches by a link, and says what is wrong', async () => {
  const id = ids[4]!;
  const other = await openSqlite();
  const second = await startGateway(other.url, {}, { supervision: { firstPauseMs: 200 } });
  const { accounts, instances } = second.app.core;
  const theirs = accountCaller((await accounts.first()).id);
  const twin = await instances.create(theirs, {});
  await instances.disconnect(theirs, twin.id);
  await rm(join(second.dataDir, 'profiles', twin.id), { recursive: true, force: true });
  await symlink(profile(id), join(second.dataDir, 'profiles', twin.id));
  const [browser] = browsersIn(profile(id));
  await instances.connect(theirs, twin.id);
  await until('it is refused', async () => (await instances.get(theirs, twin.id)).actionCode === 'profile_in_use');
  expect(browsersIn(profile(id))).toEqual([browser]);
  await second.stop();
  await other.drop();
  expect((await get(id)).state).toBe('ready');
});
