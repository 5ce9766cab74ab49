/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * On a warm profile `hasSynced` is true before the library listens for its change, and `ready` never comes. The level is
 * looked at once the library listens. Source: WAWebSocketModel.Socket.hasSynced; the library's own listener is
 * `onAppStateHasSyncedEvent` (Client.js, inject).
 */
export const readyRace: Shim = {
  name: 'ready-race',
  issue: 'wwebjs PR 201653',
  stage: 'injected',
  features: [],
  isNeeded(page: any) {
    return page.require('WAWebSocketModel').Socket.hasSynced === true && !page.wapbridge;
  },
  apply(page: any) {
    page.onAppStateHasSyncedEvent();
  },
};
