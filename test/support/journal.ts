import type { WithdrawalJournal } from '../../src/core/withdrawal-journal.ts';

/** A journal of withdrawals that forgets. */
export const forgetfulJournal: WithdrawalJournal = {
  left: [],
  note: () => Promise.resolve(),
  settle: () => undefined,
  close: () => undefined,
};
