import type { WithdrawalJournal } from '../../src/core/withdrawal-journal.ts';

/** A journal of withdrawals that forgets. */
export const forgetfulJournal: WithdrawalJournal = {
  left: [],
  note: () => Promise.resolve(),
  settle: () => undefined,
  close: () => undefined,
};

/** What an outbox takes things back with, for tests in which there is nothing to take back. */
export const nothingWithdrawn = { journal: forgetfulJournal, idempotency: { forget: () => Promise.resolve() } };
