import { expect, it } from 'vitest';
import { createLane, type Lane } from '../../../src/core/webhook/lane.ts';
import { createLoader, noteChange, openKeys } from '../../../src/core/webhook/loader.ts';
import { defaultPolicy } from '../../../src/core/webhook/schedule.ts';
import type { Delivery, DeliveryStore } from '../../../src/store/deliveries.ts';
import type { StoredEndpoint, WebhookStore } from '../../../src/store/webhooks.ts';
import { buildEndpoint } from '../../support/factories.ts';

const endpoint = (patch: Partial<StoredEndpoint>) =>
  buildEndpoint({ id: 'E1', dialect: 'plain', hasSecret: true, sealedSecret: 'old', ...patch });

const waiting = { id: 'D1', endpointId: 'E1', orderKey: 'chat' };
const delivery = {
  ...waiting,
  attempt: 0,
  event: { id: 'V1', payload: {}, instanceId: null, orderKey: 'chat' },
} as unknown as Delivery;

/** A loader over one endpoint with one delivery; `meanwhile` runs while the deliveries are read. */
function build(meanwhile: (lane: Lane) => void) {
  let row = endpoint({});
  let runs = 0;
  const secrets = { open: (sealed: string) => sealed };
  const lane = createLane(row, openKeys(secrets, row));
  const loader = createLoader({
    endpoints: { byId: async () => row } as unknown as WebhookStore,
    deliveries: {
      dueRetries: async () => [],
      heldKeys: async () => [],
      nextDueAt: async () => null,
      async fresh() {
        if (runs++ === 0) meanwhile(lane);
        return [waiting];
      },
      withEvents: async () => [delivery],
    } as unknown as DeliveryStore,
    messages: { byIds: async () => [] },
    instances: { byIds: async () => [] },
    composer: { costBytes: () => 1 },
    secrets,
    policy: defaultPolicy,
    clock: { now: () => 1 },
    writeResults: async () => undefined,
  });
  return { lane, loader, set: (patch: Partial<StoredEndpoint>) => (row = endpoint(patch)) };
}

it('has the endpoint as it is when its deliveries are loaded, also when it is set anew meanwhile', async () => {
  const bench = build((lane) => {
    bench.set({ sealedSecret: 'new', url: 'http://127.0.0.1:2/' });
    noteChange(lane);
  });
  const { lane, loader } = bench;
  await loader.fill(lane);
  expect(lane).toMatchObject({ keys: { secret: 'new' }, endpoint: { url: 'http://127.0.0.1:2/' }, stale: false });
  expect(lane.ready).toHaveLength(1);
});

it('loads nothing of one that is disabled meanwhile', async () => {
  const bench = build((lane) => {
    bench.set({ enabled: false });
    noteChange(lane);
  });
  await bench.loader.fill(bench.lane);
  expect(bench.lane).toMatchObject({ ready: [], rest: false });
});

it('loads once where nothing changes', async () => {
  let reads = 0;
  const { lane, loader } = build(() => (reads += 1));
  await loader.fill(lane);
  expect([reads, lane.ready.length, lane.keys.secret]).toEqual([1, 1, 'old']);
});
