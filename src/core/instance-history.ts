import type { NewEvent } from '../model/events.ts';
import type { InstanceChange, InstanceState } from '../model/instance.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { InstanceHistoryStore } from '../store/instance-history.ts';
import type { Announcer } from './announcer.ts';
import type { Instances } from './instances.ts';

/** What became of instances, kept for longer than their events. */
export interface InstanceHistory {
  /** Returns the announcer, writing each change of state down in the transaction that announces it. */
  watch(announcer: Announcer): Announcer;
  /** Returns the changes of an instance that the caller may see, newest first. @throws GatewayError instance_not_found */
  list(caller: Caller, id: string, page: { before?: string; limit: number }): Promise<InstanceChange[]>;
  /** Removes what is too old. */
  prune(): Promise<number>;
}

const retentionMs = 90 * 86_400_000;

/** Returns the history of instances. */
export function createInstanceHistory(deps: {
  store: InstanceHistoryStore;
  instances: () => Pick<Instances, 'get'>;
  clock: Pick<Clock, 'now'>;
  newId: () => string;
}): InstanceHistory {
  const { store, clock, newId } = deps;

  function toChange({ instanceId, payload }: NewEvent<'instance.status'>): InstanceChange {
    const { state, reason, code = null } = payload;
    return {
      id: newId(),
      instanceId: instanceId!,
      state: state as InstanceState,
      code,
      reason,
      createdAt: clock.now(),
    };
  }

  return {
    watch: (announcer) => ({
      async enqueue(trx, events) {
        const changes = events.filter((event) => event.type === 'instance.status' && event.instanceId !== null);
        if (changes.length > 0) await store.insert(trx, (changes as NewEvent<'instance.status'>[]).map(toChange));
        await announcer.enqueue(trx, events);
      },
    }),

    async list(caller, id, { before, limit }) {
      await deps.instances().get(caller, id);
      return store.list({ instanceId: id, before: before ?? null, limit });
    },

    prune: () => store.prune(clock.now() - retentionMs),
  };
}
