import type { ActionCode } from '../../model/action.ts';
import type { InstanceState } from '../../model/instance.ts';

/** Why a life ended. */
export type End =
  /** The page or the browser is gone or of no use; `isDead` when it cannot be asked to close. */
  | { kind: 'closed'; reason: string; code?: ActionCode; stuckIn?: InstanceState; isDead?: true }
  | { kind: 'unlinked' }
  | { kind: 'stopped' }
  /** Ended on purpose, to be started again at once. */
  | { kind: 'recycled'; reason: string }
  /** The page asks to be linked although the device is, and nobody has unlinked it. */
  | { kind: 'login_lost' };
