import type { Logger } from 'pino';
import type { InstanceState } from '../model/instance.ts';
import type { Clock } from '../model/time.ts';
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
  clock: Clock;
  log: Logger;
}): ChangeState {
  const { database, instances, announcer, clock, log } = deps;

  return async (instanceId, patch) => {
    const { reason = null, actionCode = null } = patch;
    const was = await database.transaction(async (trx) => {
      const before = await instances.lock(trx, instanceId);
      if (!before) return null;
      const since = before.state === patch.state ? {} : { stateSince: clock.now() };
      await instances.update(instanceId, { ...patch, reason, actionCode, ...since }, trx);
      if (before.state === patch.state && before.reason === reason && before.actionCode === actionCode) return null;
      const payload = { state: patch.state, reason, code: actionCode };
      await announcer.enqueue(trx, [
        { accountId: before.accountId, instanceId, type: 'instance.status', payload, orderKey: instanceId },
      ]);
      return before.state;
    });
    if (was !== null)
      log[levelOf(patch.state)]({ instance: instanceId, was, code: actionCode, reason }, `instance is ${patch.state}`);
  };
}

/** Somebody should look at these. */
const worrying = new Set<InstanceState>(['failed', 'disconnected', 'action_required', 'logged_out']);

function levelOf(state: InstanceState): 'warn' | 'info' {
  return worrying.has(state) ? 'warn' : 'info';
}
