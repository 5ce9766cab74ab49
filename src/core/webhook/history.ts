import type { Knex } from 'knex';
import { GatewayError } from '../../model/errors.ts';
import type { GatewayEvent } from '../../model/events.ts';
import type { Attempt, DeliveryRecord, DeliveryState } from '../../model/webhook.ts';
import type { Database } from '../../store/database.ts';
import type { DeliveryStore } from '../../store/deliveries.ts';
import type { AttemptFilter, DeliveryFilter, WebhookHistoryStore } from '../../store/webhook-history.ts';
import type { StoredEndpoint, WebhookStore } from '../../store/webhooks.ts';
import type { EndpointOwner } from './endpoints.ts';
import { createSampler, type SampleDeps, type TestResult } from './sample.ts';

/** Which part of the past is sent again: what failed for good, what was never meant for the endpoint though it wants it, or all. */
type ReplayMode = 'failed' | 'missing' | 'all';

/** The past of webhooks, and sending it again. Without an endpoint's id: all endpoints of the owner. */
export interface WebhookHistory {
  /** @throws GatewayError not_found */
  deliveries(
    owner: EndpointOwner,
    filter: Omit<DeliveryFilter, 'endpointIds'> & { endpointId?: string },
  ): Promise<DeliveryRecord[]>;
  /** @throws GatewayError not_found */
  attempts(
    owner: EndpointOwner,
    filter: Omit<AttemptFilter, 'endpointIds'> & { endpointId?: string },
  ): Promise<Attempt[]>;
  /** Sends one delivery again, with the same `webhook-id`. @throws GatewayError not_found | conflict when the endpoint is disabled */
  resend(owner: EndpointOwner, deliveryId: string): Promise<DeliveryRecord>;
  /** Sends an endpoint's past again; `more` tells that there is more than one call takes. @throws GatewayError not_found | conflict */
  replay(
    owner: EndpointOwner,
    input: { endpointId: string; sinceAt: number; mode: ReplayMode },
  ): Promise<{ count: number; more: boolean }>;
  /** Sends a sample and returns the answer; nothing is stored, and a disabled endpoint is asked too. @throws GatewayError not_found */
  test(owner: EndpointOwner, endpointId: string): Promise<TestResult>;
  /** Removes what is older than the retention; returns how many rows. */
  prune(): Promise<number>;
}

interface HistoryDeps extends SampleDeps {
  database: Database;
  endpoints: WebhookStore;
  deliveryStore: DeliveryStore;
  history: WebhookHistoryStore;
  /** Tells whether an endpoint wants an event. */
  wants(endpoint: StoredEndpoint, event: GatewayEvent): boolean;
  wake(endpointId: string): void;
  retentionDays: number;
}

const chunkSize = 500;
/** So many deliveries are brought back by one call. */
const maxReplayed = 10_000;
const dayMs = 86_400_000;
const endedStates: Record<Exclude<ReplayMode, 'missing'>, readonly DeliveryState[]> = {
  failed: ['failed'],
  all: ['failed', 'delivered'],
};

/** Returns the history. */
export function createHistory(deps: HistoryDeps): WebhookHistory {
  const { database, endpoints, deliveryStore, history, clock, newId } = deps;
  const sample = createSampler(deps);

  async function ownedBy({ accountId, boundTo }: EndpointOwner, endpointId?: string): Promise<StoredEndpoint[]> {
    const all = (await endpoints.ofAccount(accountId)).filter(
      (endpoint) =>
        (boundTo === null || endpoint.instanceId === boundTo) &&
        (endpointId === undefined || endpoint.id === endpointId),
    );
    if (endpointId !== undefined && all.length === 0)
      throw new GatewayError('not_found', `There is no webhook ${endpointId}`);
    return all;
  }

  async function one(owner: EndpointOwner, endpointId: string): Promise<StoredEndpoint> {
    return (await ownedBy(owner, endpointId))[0]!;
  }

  function assertEnabled(endpoint: StoredEndpoint): void {
    if (!endpoint.enabled)
      throw new GatewayError('conflict', `The webhook ${endpoint.id} is disabled: enable it first`);
  }

  async function replayEnded(
    endpoint: StoredEndpoint,
    { sinceAt, states, room }: { sinceAt: number; states: readonly DeliveryState[]; room: number },
  ): Promise<number> {
    let count = 0;
    let after = '';
    while (count < room) {
      const limit = Math.min(chunkSize, room - count);
      const ids = await history.ended({ endpointId: endpoint.id, states, sinceAt, after, limit });
      count += await database.transaction((trx) => history.again(trx, ids, clock.now()));
      if (ids.length < limit) break;
      after = ids.at(-1)!;
    }
    return count;
  }

  /** Events that came while the endpoint was disabled, or was not there, or did not want them. */
  async function replayMissing(endpoint: StoredEndpoint, sinceAt: number, room: number): Promise<number> {
    let count = 0;
    let after = '';
    while (count < room) {
      const events = await history.events({ accountId: endpoint.accountId, sinceAt, after, limit: chunkSize });
      const wanted = events.filter((event) => deps.wants(endpoint, event));
      count += await database.transaction((trx) => addMissing(trx, endpoint, wanted));
      if (events.length < chunkSize) break;
      after = events.at(-1)!.id;
    }
    return count;
  }

  async function addMissing(trx: Knex.Transaction, endpoint: StoredEndpoint, events: GatewayEvent[]): Promise<number> {
    if (events.length === 0) return 0;
    const known = await history.delivered(
      trx,
      endpoint.id,
      events.map(({ id }) => id),
    );
    const missing = events.filter(({ id }) => !known.has(id));
    await deliveryStore.insert(
      trx,
      missing.map((event) => ({ id: newId(), endpointId: endpoint.id, event })),
    );
    return missing.length;
  }

  return {
    async deliveries(owner, { endpointId, ...filter }) {
      const endpointIds = (await ownedBy(owner, endpointId)).map(({ id }) => id);
      return history.deliveries({ ...filter, endpointIds });
    },

    async attempts(owner, { endpointId, ...filter }) {
      const endpointIds = (await ownedBy(owner, endpointId)).map(({ id }) => id);
      return history.attempts({ ...filter, endpointIds });
    },

    async resend(owner, deliveryId) {
      const delivery = await history.delivery(deliveryId);
      const endpoint = (await ownedBy(owner)).find(({ id }) => id === delivery?.endpointId);
      if (!delivery || !endpoint) throw new GatewayError('not_found', `There is no delivery ${deliveryId}`);
      assertEnabled(endpoint);
      await database.transaction((trx) => history.again(trx, [deliveryId], clock.now()));
      deps.wake(endpoint.id);
      return (await history.delivery(deliveryId)) ?? delivery;
    },

    async replay(owner, { endpointId, sinceAt, mode }) {
      const endpoint = await one(owner, endpointId);
      assertEnabled(endpoint);
      const again =
        mode === 'missing' ? 0 : await replayEnded(endpoint, { sinceAt, states: endedStates[mode], room: maxReplayed });
      const added = mode === 'failed' ? 0 : await replayMissing(endpoint, sinceAt, maxReplayed - again);
      deps.wake(endpoint.id);
      return { count: again + added, more: again + added >= maxReplayed };
    },

    test: async (owner, endpointId) => sample(await one(owner, endpointId)),

    prune: () => history.prune(clock.now() - deps.retentionDays * dayMs),
  };
}
