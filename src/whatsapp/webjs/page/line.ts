/* oxlint-disable typescript/no-explicit-any -- these run in the page, whose objects have no types */

/**
 * Runs in the page: tells the state of its connection. `Socket.state` alone does not: when another place goes on with the same login,
 * newer pages stop their line for good (WAWebHandleStreamError, `replaced` → WAComms.stopComms) and the state stays `CONNECTED`; only
 * `stream` tells that the line is down. A line that was down at two questions in a row counts as down, one question alone may have come
 * between the two changes. Who took it the tap has seen in the stanza; where that passed elsewhere, the page that has no WAComms any more
 * tells: it tries again as long as it has them, and lets go of them for this and for a logout, which soon tells itself.
 */
export function lineState(): string {
  const page = window as any;
  const { state, stream } = page.require('WAWebSocketModel').Socket;
  const isDown = stream === 'DISCONNECTED';
  page.wapbridgeDowns = isDown && state === 'CONNECTED' ? (page.wapbridgeDowns ?? 0) + 1 : 0;
  if (isDown && page.wapbridgeReplaced) return 'CONFLICT';
  if (page.wapbridgeDowns < 2) return state;
  try {
    return page.require('WAComms').getComms() === null ? 'CONFLICT' : 'TIMEOUT';
  } catch {
    return 'TIMEOUT';
  }
}

/** Runs in the page: takes the link back. Newer pages only know to begin anew, as their own "Use here" does (mdReloadPageOnTakeOver). */
export function takeLine(): void {
  const page = window as any;
  page.wapbridgeReplaced = false;
  try {
    page.require('WAWebSocketModel').Socket.takeover();
  } catch {
    // Not at once: whoever asked wants an answer.
    setTimeout(() => page.location.reload());
  }
}

/** Runs in the page: unlinks the device. The page tells the phone after this, and goes elsewhere when that is done; newer ones return nothing to wait for. */
export function endLink(): void {
  (window as any).require('WAWebSocketModel').Socket.logout();
}
