import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createPasskeys } from '../../src/core/passkeys.ts';
import type { NewEvent } from '../../src/model/events.ts';
import type { Instance } from '../../src/model/instance.ts';
import { createScriptedClient } from '../support/client.ts';
import { createTestClock, until } from '../support/clock.ts';

it('tells the steps in their order, also when the first takes longer to be written', async () => {
  const told: unknown[] = [];
  let letGo: () => void = () => undefined;
  const slow = new Promise<void>((resolve) => (letGo = resolve));
  let reads = 0;
  const passkeys = createPasskeys({
    database: { transaction: (work: (trx: unknown) => Promise<unknown>) => work({}) },
    instances: {
      async byId(id: string) {
        reads += 1;
        if (reads === 1) await slow;
        return { id, accountId: 'CUST-0001' } as Instance;
      },
    },
    announcer: {
      enqueue: async (_: unknown, events: NewEvent[]) =>
        void told.push(...events.map(({ payload }) => (payload as { step: string }).step)),
    },
    clock: createTestClock(),
    log: pino({ level: 'silent' }),
  } as unknown as Parameters<typeof createPasskeys>[0]);
  const client = createScriptedClient(() => undefined);
  passkeys.hear('INST-1', client, { step: 'asked', options: null });
  passkeys.hear('INST-1', client, { step: 'code', code: 'ABCD-EFGH' });
  passkeys.hear('INST-2', client, { step: 'asked', options: null });
  await until('the other instance is told of', () => told.length > 0);
  letGo();
  await until('all are told', () => told.length === 3);
  expect(told).toEqual(['asked', 'asked', 'code']);
});
