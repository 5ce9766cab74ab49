import type { InstanceState } from '../../model/instance.ts';
import type { SupervisionLimits } from './limits.ts';

/** How long each state may last before the page counts as stuck, and what is said then. The others may last for ever. */
const table: Partial<Record<InstanceState, { limit: keyof SupervisionLimits; reason: string }>> = {
  starting: { limit: 'startMs', reason: 'WhatsApp Web did not open in time' },
  qr: { limit: 'qrMs', reason: 'WhatsApp Web shows no new QR code' },
  pairing: { limit: 'pairingMs', reason: 'The pairing code was not used in time' },
  authenticating: { limit: 'authenticationMs', reason: 'WhatsApp Web did not get ready in time after the login' },
  disconnected: { limit: 'offlineMs', reason: 'WhatsApp Web could not connect again' },
};

/** The time a page has for what it is doing. */
interface Patience {
  /** Gives the state its time, anew when it has begun already. */
  begin(state: InstanceState): void;
  /** Says what is wrong when the time is over, else null. */
  complaint(now: number): string | null;
}

/** Returns the patience with one browser, which is about to start; `time` never goes back. */
export function createPatience(limits: SupervisionLimits, time: () => number): Patience {
  let deadlineAt = Number.POSITIVE_INFINITY;
  let reason = '';

  function begin(state: InstanceState): void {
    const row = table[state];
    deadlineAt = row ? time() + limits[row.limit] : Number.POSITIVE_INFINITY;
    reason = row?.reason ?? '';
  }

  begin('starting');
  return { begin, complaint: (now) => (now > deadlineAt ? reason : null) };
}
