import type { InstanceState } from '../../model/instance.ts';

/** What happens to an instance, as far as its state is concerned. */
export type Happening =
  /** A browser is being started. */
  | 'launched'
  | 'qr_shown'
  | 'code_asked'
  /** The phone has linked the device, or the profile holds a login: WhatsApp Web is loading. */
  | 'authenticating'
  | 'ready'
  /** The line to WhatsApp is down, the page lives. */
  | 'offline'
  /** The line is back, after the page was ready once. */
  | 'online'
  /** A person has to do something. */
  | 'action'
  /** The browser or the page has ended, or had to be ended. */
  | 'ended'
  | 'unlinked';

type Row = Partial<Record<Happening, InstanceState>>;

/** From any state without a browser. */
const asleep: Row = { launched: 'starting', action: 'action_required', ended: 'failed', unlinked: 'logged_out' };

/** From any state in which a page is open but was never ready. */
const opening: Row = {
  // After an end on purpose the next browser follows at once.
  launched: 'starting',
  qr_shown: 'qr',
  authenticating: 'authenticating',
  ready: 'ready',
  action: 'action_required',
  ended: 'failed',
  unlinked: 'logged_out',
};

/** From any state in which the page was ready. */
const open: Row = { ...opening, online: 'ready', ended: 'disconnected' };

/** Where the line is all that matters; what a person has to do stays, whether it is up or not. */
const atWork: Row = { ...open, offline: 'disconnected' };

/** The state machine of an instance: state × happening → state. What is absent changes nothing: it comes too late, or means nothing there. */
const table: Record<InstanceState, Row> = {
  created: asleep,
  stopped: asleep,
  failed: asleep,
  logged_out: asleep,
  starting: opening,
  qr: { ...opening, code_asked: 'pairing' },
  // New QR codes go on being made behind the pairing code.
  pairing: { ...opening, code_asked: 'pairing', qr_shown: 'pairing' },
  // The phone refused: the page shows the next code.
  authenticating: opening,
  ready: { ...atWork, authenticating: 'ready' },
  disconnected: atWork,
  action_required: open,
};

/** Returns the state after something happened, null when it means nothing in this state. */
export function nextState(state: InstanceState, happening: Happening): InstanceState | null {
  return table[state][happening] ?? null;
}
