import type { End } from './end.ts';

/** What is done after a life has ended. */
export type Remedy =
  /** The login is gone for good: nothing is started until a person asks for it. */
  | 'forget'
  /** Start again without a pause. */
  | 'at_once'
  /** Start again after a pause that grows. */
  | 'wait'
  /** Put the last good copy of the profile in its place, or ask for a new scan where there is none. */
  | 'restore'
  /** Begin with an empty profile: the device was just linked, and nothing is lost but that. */
  | 'wipe';

/** What came before. */
export interface PastLives {
  isLinked: boolean;
  /** Logins in a row after which the page did not get ready. */
  stuckLogins: number;
  /** Browsers in a row that did not start. */
  failedLaunches: number;
}

const mostStuckLogins = 2;
/** One that does not start thrice is tried without the profile. */
export const suspiciousLaunches = 3;

const fixed = {
  unlinked: 'forget',
  recycled: 'at_once',
  login_lost: 'restore',
  stopped: 'wait',
} as const satisfies Record<Exclude<End['kind'], 'closed'>, Remedy>;

/** Returns what to do after an end. A linked profile is never wiped, whatever the page does. */
export function remedyAfter(end: End, past: PastLives): Remedy {
  if (end.kind !== 'closed') return fixed[end.kind];
  if (end.code === 'profile_corrupt') return 'restore';
  if (past.isLinked && past.failedLaunches >= suspiciousLaunches) return 'restore';
  if (!past.isLinked && past.stuckLogins >= mostStuckLogins) return 'wipe';
  return 'wait';
}
