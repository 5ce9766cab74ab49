import { expect, it } from 'vitest';
import { defaultOptOutWords } from '../../src/core/campaign/optout.ts';
import { createOptOuts } from '../../src/core/opt-outs.ts';
import type { OptOutWords } from '../../src/model/campaign.ts';
import { accountCaller } from '../../src/model/token.ts';
import { createTestClock } from '../support/clock.ts';

it('knows its words at once, also when they were being read as they changed', async () => {
  let stored: OptOutWords | null = null;
  let letGo: () => void = () => undefined;
  let slow: Promise<void> | null = new Promise((resolve) => (letGo = resolve));
  const optOuts = createOptOuts({
    database: { transaction: (work: (trx: unknown) => Promise<unknown>) => work(() => ({ insert: async () => [] })) },
    store: {
      async words() {
        const read = stored;
        const wait = slow;
        slow = null;
        await wait;
        return read;
      },
      setWords: async (_: string, words: OptOutWords | null) => void (stored = words),
    },
    clock: createTestClock(),
    newId: () => 'id',
  } as unknown as Parameters<typeof createOptOuts>[0]);
  const caller = accountCaller('CUST-0001');
  const words = { ...defaultOptOutWords, stop: ['acha'] };

  const before = optOuts.words(caller);
  await optOuts.setWords(caller, words);
  letGo();
  await before;
  expect(await optOuts.words(caller)).toEqual(words);
});
