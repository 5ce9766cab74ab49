import { afterEach, beforeEach, expect, it } from 'vitest';
import type { DeliveryEnd } from '../../../src/core/webhook/delivery.ts';
import { takeJob } from '../../../src/core/webhook/lane.ts';
import { createLoader } from '../../../src/core/webhook/loader.ts';
import { defaultPolicy } from '../../../src/core/webhook/schedule.ts';
import { settle } from '../../../src/core/webhook/settle.ts';
import type { Instance } from '../../../src/model/instance.ts';
import type { GatewayEvent } from '../../../src/model/events.ts';
import { createDeliveryStore, type DeliveryResult } from '../../../src/store/deliveries.ts';
import { createEventStore } from '../../../src/store/events.ts';
import { createWebhookStore } from '../../../src/store/webhooks.ts';
import { forEachDatabase, type TestDatabase } from '../../support/database.ts';
import { buildEndpoint, buildInstance, newId } from '../../support/factories.ts';

forEachDatabase((open) => {
  let opened: TestDatabase;
  let instance: Instance;
  beforeEach(async () => {
    opened = await open();
    instance = await buildInstance(opened.database);
  });
  afterEach(() => opened.drop());

  /** Writes an endpoint and two events of one chat for it. */
  async function build() {
    const { database } = opened;
    const endpoints = createWebhookStore(database);
    const deliveries = createDeliveryStore(database);
    const { accountId, id: instanceId } = instance;
    const endpoint = buildEndpoint({ accountId, dialect: 'plain', isDefault: true });
    await endpoints.insert(endpoint);
    const events = [newId(), newId()].map((id): GatewayEvent => ({
      id,
      accountId,
      instanceId,
      type: 'message.received',
      payload: { messageId: id },
      orderKey: 'chat',
      createdAt: Date.now(),
    }));
    await database.transaction(async (trx) => {
      await createEventStore(database).insert(trx, events);
      await deliveries.insert(
        trx,
        events.map((event) => ({ id: newId(), endpointId: endpoint.id, event })),
      );
    });
    return { endpoint, endpoints, deliveries };
  }

  const noAnswer: DeliveryEnd['outcome'] = {
    status: 500,
    error: null,
    timedOut: false,
    retryAfterSeconds: null,
    response: null,
    durationMs: 1,
  };

  it('holds a chat back behind a delivery that failed just before its retries were looked for', async () => {
    const { endpoint, endpoints, deliveries } = await build();
    const unwritten: DeliveryResult[] = [];
    let beforeRead: () => void = () => undefined;
    const loader = createLoader({
      endpoints: {
        ...endpoints,
        async byId(id) {
          beforeRead();
          return endpoints.byId(id);
        },
      },
      deliveries,
      messages: { byIds: async () => [] },
      instances: { byIds: async () => [] },
      composer: { costBytes: () => 1 },
      secrets: { open: (sealed) => sealed },
      policy: defaultPolicy,
      clock: { now: () => Date.now() },
      async writeResults() {
        const results = unwritten.splice(0);
        await opened.database.transaction((trx) => deliveries.finish(trx, { results, attempts: [], now: Date.now() }));
      },
    });
    const lane = (await loader.open(endpoint.id))!;
    await loader.fill(lane);
    const job = takeJob(lane, Infinity);
    if (job === null || job === 'too large') throw new Error('nothing was loaded');

    const end: DeliveryEnd = { endpoint, outcome: noAnswer, attempts: [], asked: true, final: false };
    beforeRead = () => {
      beforeRead = () => undefined;
      const { finished } = settle({ lane, job, end, policy: defaultPolicy, now: Date.now(), random: 0.5 });
      unwritten.push(finished.result);
    };
    await loader.fill(lane);
    await loader.fill(lane);
    expect(lane.ready).toEqual([]);
  });
});
