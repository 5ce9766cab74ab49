/** How long the supervisor bears with what; all in ms. Tests pass shorter ones. */
export interface SupervisionLimits {
  /** How often it looks after each instance. */
  beatMs: number;
  /** How often the page is asked whether it lives. */
  probeEveryMs: number;
  /** A page that has answered nothing for so long is dead. One that answers late is not. */
  silenceMs: number;
  /** From the start of the browser until a QR code or a login is seen. */
  startMs: number;
  /** From a login to ready, counted anew with each sign of progress. */
  authenticationMs: number;
  /** QR codes change every 20 to 60 s; a page that shows none for so long is stuck. */
  qrMs: number;
  /** A pairing code ends after three minutes, and so does the wish to use it. */
  pairingMs: number;
  /** WhatsApp Web connects again by itself; after so long without a line a fresh page is tried. */
  offlineMs: number;
  /** Pause after the first failure; it doubles with each, up to five minutes. */
  firstPauseMs: number;
  /** How long a browser may take to close by itself. */
  stopMs: number;
  /** The same when its page is known to be dead. */
  stopDeadMs: number;
  /** How often the memory of a browser is measured. */
  memoryEveryMs: number;
  /** How often it is asked what WhatsApp keeps the number from. */
  inspectEveryMs: number;
  /** Pause before a state is written again that the database did not take. */
  writeRetryMs: number;
  /** How long a planned restart waits for the sends on the way. */
  drainMs: number;
  /** The same before a logout, which somebody waits for. */
  logoutDrainMs: number;
  /** How long a browser must have been ready before it may be restarted for its memory. */
  recycleAfterMs: number;
}

export const usualLimits: SupervisionLimits = {
  beatMs: 5_000,
  probeEveryMs: 15_000,
  silenceMs: 60_000,
  startMs: 120_000,
  authenticationMs: 90_000,
  qrMs: 180_000,
  pairingMs: 240_000,
  offlineMs: 600_000,
  firstPauseMs: 5_000,
  stopMs: 10_000,
  stopDeadMs: 2_000,
  memoryEveryMs: 60_000,
  inspectEveryMs: 3_600_000,
  writeRetryMs: 5_000,
  drainMs: 120_000,
  logoutDrainMs: 5_000,
  recycleAfterMs: 1_800_000,
};
