import { afterEach, beforeEach, expect, it } from 'vitest';
import { createInstances, type Instances } from '../../src/core/instances.ts';
import type { Instance } from '../../src/model/instance.ts';
import { accountCaller, type Caller } from '../../src/model/token.ts';
import { createInstanceStore, type InstancePatch, type InstanceStore } from '../../src/store/instances.ts';
import { createAccountStore } from '../../src/store/accounts.ts';
import { createTestClock } from '../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../support/database.ts';

forEachDatabase((open) => {
  let opened: TestDatabase;
  let store: InstanceStore;
  let instances: Instances;
  let caller: Caller;

  beforeEach(async () => {
    opened = await open();
    store = createInstanceStore(opened.database);
    const account = await createAccountStore(opened.database).create({ title: 'Shop', now: 1 });
    caller = accountCaller(account.id);
    // What else there is does not take part in telling which instance is meant.
    instances = createInstances({ store } as Parameters<typeof createInstances>[0]);
  });
  afterEach(() => opened.drop());

  async function linked(phone: string | null, patch: InstancePatch = {}): Promise<Instance> {
    const { accountId } = caller;
    const made = await store.create({ accountId, title: null, defaultCountry: null, now: 1 });
    const change = { phone, state: 'ready', ...patch } as const;
    await store.update(made.id, change);
    return { ...made, ...change };
  }

  const resolved = async (fromNumber: string) => (await instances.resolve(caller, { fromNumber })).id;

  it.each(['255757000001', '+255757000001', '00255757000001', '+255 757 000 001', '0757000001'])(
    'finds the instance that is linked to %s',
    async (fromNumber) => {
      await linked(null, { defaultCountry: 'TZ' });
      const { id } = await linked('255757000001');
      expect(await resolved(fromNumber)).toBe(id);
    },
  );

  it('reads one row for a number in full, however many instances there are', async () => {
    for (let index = 0; index < 30; index += 1) await linked(`2557570001${String(index).padStart(2, '0')}`);
    let rows = 0;
    opened.database.knex.on('query-response', (response: unknown[]) => (rows += response.length));
    await resolved('+255757000129');
    expect(rows).toBe(1);
  });

  it('takes the one that is ready of several with the same number', async () => {
    await linked('255757000001', { state: 'logged_out' });
    const { id } = await linked('255757000001');
    expect(await resolved('255757000001')).toBe(id);
    await linked('255757000001');
    await expect(resolved('255757000001')).rejects.toMatchObject({ code: 'instance_ambiguous' });
  });

  it('takes a link back that was lost before it was told to take links back', async () => {
    const { id: lost } = await linked('255757000001', { desiredState: 'run', actionCode: 'taken_over' });
    const { id: fine } = await linked('255757000002', { desiredState: 'run' });
    const started: string[] = [];
    const told = createInstances({
      database: opened.database,
      store,
      supervisor: { start: (instance: Instance) => started.push(instance.id) },
      audit: { record: async () => undefined },
    } as unknown as Parameters<typeof createInstances>[0]);
    await told.update(caller, lost, { title: 'Front desk' });
    for (const id of [lost, fine]) await told.update(caller, id, { onConflict: 'takeover' });
    expect(started).toEqual([lost]);
  });

  it('changes nothing that could not be written into the audit log', async () => {
    const { id } = await linked('255757000001', { desiredState: 'run' });
    const started: string[] = [];
    const strict = createInstances({
      database: opened.database,
      store,
      supervisor: {
        start: (instance: Instance) => started.push(instance.id),
        stop: async () => undefined,
        logout: async () => undefined,
      },
      outbox: { abandon: async () => undefined },
      audit: { record: () => Promise.reject(new Error('the audit log cannot be written')) },
      changeState: async () => undefined,
      secrets: { seal: (text: string) => text },
      clock: createTestClock(),
    } as unknown as Parameters<typeof createInstances>[0]);
    const refused = expect.objectContaining({ message: 'the audit log cannot be written' });
    for (const change of [
      () => strict.create(caller, {}),
      () => strict.update(caller, id, { title: 'Front desk', proxyUrl: 'http://proxy:3128' }),
      () => strict.disconnect(caller, id),
      () => strict.logout(caller, id),
      () => strict.remove(caller, id),
    ])
      await expect(change()).rejects.toEqual(refused);
    await store.update(id, { desiredState: 'stopped' });
    await expect(strict.connect(caller, id)).rejects.toEqual(refused);
    expect(await store.list(caller.accountId)).toMatchObject([
      { id, title: id, proxySealed: null, desiredState: 'stopped' },
    ]);
    expect(started).toEqual([]);
  });

  it('does not start in the middle of an end, and nothing that is gone by then', async () => {
    const { id } = await linked('255757000001', { desiredState: 'run' });
    const done: string[] = [];
    let letGo = () => undefined as void;
    const gate = new Promise<void>((resolve) => (letGo = resolve));
    const slow = createInstances({
      database: opened.database,
      store,
      supervisor: {
        start: () => done.push('started'),
        logout: async () => {
          await gate;
          done.push('logged out');
        },
      },
      outbox: { abandon: async () => undefined },
      audit: { record: async () => undefined },
      changeState: async () => void done.push('settled'),
      clock: createTestClock(),
    } as unknown as Parameters<typeof createInstances>[0]);
    const loggedOut = slow.logout(caller, id);
    const connected = slow.connect(caller, id);
    const removed = slow.remove(caller, id);
    const late = slow.connect(caller, id).catch((error: { code: string }) => done.push(error.code));
    letGo();
    await Promise.all([loggedOut, connected, removed, late]);
    expect(done).toEqual(['logged out', 'settled', 'started', 'logged out', 'instance_not_found']);
  });

  it('does not find what is deleted, of another account, or not for this token', async () => {
    const deleted = await linked('255757000001');
    await store.remove(deleted.id, 2);
    await expect(resolved('255757000001')).rejects.toMatchObject({ code: 'instance_not_found' });

    const other = await linked('255757000002');
    const another = await createAccountStore(opened.database).create({ title: 'Other shop', now: 1 });
    const input = { fromNumber: '255757000002' };
    for (const stranger of [
      accountCaller(another.id),
      { ...caller, token: { ...caller.token, instanceId: (await linked('255757000003')).id } },
    ])
      await expect(instances.resolve(stranger, input)).rejects.toMatchObject({ code: 'instance_not_found' });
    expect(await resolved('255757000002')).toBe(other.id);
  });
});
