import type { InstanceState } from '../model/instance.ts';
import type { Database } from '../store/database.ts';
import type { InstancePatch, InstanceStore } from '../store/instances.ts';
import type { Announcer } from './announcer.ts';

/** Writes a change of an instance's state together with its event. */
export type ChangeState = (instanceId: string, patch: InstancePatch & { state: InstanceState }) => Promise<void>;

/** Returns the writer of instance states; a state that is there already is written without an event. */
export function createStateWriter(deps: {
  database: Database;
  instances: InstanceStore;
  announcer: Announcer;
}): ChangeState {
  const { database, instances, announcer } = deps;

  return async (instanceId, patch) => {
    const before = await instances.byId(instanceId);
    if (!before) return;
    const reason = patch.reason ?? null;
    const isNews = before.state !== patch.state || before.reason !== reason;
    await database.transaction(async (trx) => {
      await instances.update(instanceId, patch, trx);
      if (!isNews) return;
      const payload = { state: patch.state, reason };
      await announcer.enqueue(trx, [
        { accountId: before.accountId, instanceId, type: 'instance.status', payload, orderKey: instanceId },
      ]);
    });
  };
}
