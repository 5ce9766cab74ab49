import type { ActionCode } from '../../model/action.ts';
import type { Happening } from './machine.ts';

/** What a connection state of WhatsApp Web means for an instance. */
interface ConnectionMeaning {
  happening: Happening;
  reason?: string;
  code?: ActionCode;
  /** WhatsApp has acted against the number: campaigns must not go on by themselves. */
  isBlock?: true;
}

/**
 * The states of `WAWebSocketModel.Socket` that mean something here. Source: `WAState` of whatsapp-web.js 1.34.7 (Constants.js) and the
 * page's own `WAWebSocketConstants.SOCKET_STATE`.
 */
export const connectionMeanings: Record<string, ConnectionMeaning> = {
  CONNECTED: { happening: 'online' },
  PAIRING: { happening: 'authenticating' },
  OPENING: { happening: 'offline', reason: 'WhatsApp Web is reconnecting' },
  TIMEOUT: { happening: 'offline', reason: 'WhatsApp Web cannot reach WhatsApp' },
  CONFLICT: { happening: 'action', code: 'taken_over' },
  TOS_BLOCK: { happening: 'action', code: 'tos_block', isBlock: true },
  SMB_TOS_BLOCK: { happening: 'action', code: 'tos_block', isBlock: true },
  PROXYBLOCK: { happening: 'action', code: 'proxy_blocked' },
  DEPRECATED_VERSION: { happening: 'action', code: 'outdated_version' },
};

/** States after ready in which the page has lost its link; a logout tells itself, where none comes the page is stale. */
export const unpairedStates = new Set(['UNPAIRED', 'UNPAIRED_IDLE']);
