import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createDispatcher } from '../../../src/core/campaign/dispatcher.ts';
import { createCampaignLifecycle } from '../../../src/core/campaign/lifecycle.ts';
import { createNumberStore, type NumberPacing, type NumberStore } from '../../../src/store/numbers.ts';
import { createTestClock } from '../../support/clock.ts';
import { forEachDatabase, type TestDatabase } from '../../support/database.ts';

const id = 'INST-01-0000001';
const hourMs = 3_600_000;

/** Two write what is known of a sending number at the same time. */
forEachDatabase((open) => {
  let opened: TestDatabase;
  let store: NumberStore;
  let other: Promise<void>;

  beforeEach(async () => {
    opened = await open();
    store = createNumberStore(opened.database);
  });
  afterEach(() => opened.drop());

  /** Another writes right after the row was read; where the row is locked, it has to wait. */
  function overtaken(patch: Partial<NumberPacing>): NumberStore {
    async function then(number: NumberPacing): Promise<NumberPacing> {
      other = store.update(opened.database.knex, id, patch);
      await Promise.race([other, new Promise((resolve) => setTimeout(resolve, 200))]);
      return number;
    }
    return {
      ...store,
      get: async (of) => then(await store.get(of)),
      lock: async (trx, of) => then(await store.lock(trx, of)),
    };
  }

  const rest = () => ({
    database: opened.database,
    campaigns: { ofInstance: async () => [], runningInstances: async () => [id] },
    clock: createTestClock(),
    random: () => 0.5,
    log: pino({ level: 'silent' }),
  });

  it('does not cut a long break short when the number comes back', async () => {
    const nextSendAt = Date.now() + hourMs;
    const dispatcher = createDispatcher({ ...rest(), numbers: overtaken({ nextSendAt }) } as never);
    await dispatcher.ready(id);
    await other;
    await dispatcher.close();
    expect(await store.get(id)).toMatchObject({ nextSendAt, pairedAt: expect.any(Number) });
  });

  it('keeps a restriction that is told while the end of the last one is written', async () => {
    const restrictedUntil = Date.now() + 5 * hourMs;
    await store.update(opened.database.knex, id, { restrictedUntil: Date.now() + hourMs });
    const lifecycle = createCampaignLifecycle({
      ...rest(),
      numbers: overtaken({ restrictedUntil }),
      dispatcher: { nudge: () => undefined, isOnline: () => true },
      client: () => ({ restrictions: async () => ({ timelock: { isActive: false, endsAt: null }, newChats: null }) }),
    } as never);
    await lifecycle.inspect();
    await other;
    expect(await store.get(id)).toMatchObject({ restrictedUntil });
  });
});
