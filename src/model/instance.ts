import type { Jid } from './jid.ts';

/** The states of a linked number, from the gateway's point of view. */
export const instanceStates = [
  'created',
  'starting',
  'qr',
  'pairing',
  'authenticating',
  'ready',
  'disconnected',
  'logged_out',
  'failed',
  'action_required',
  'stopped',
] as const;
export type InstanceState = (typeof instanceStates)[number];

/** One WhatsApp account linked to the gateway: a profile on disk, a Chromium page, a state. */
export interface Instance {
  /** `INST-01-0000142` */
  id: string;
  accountId: string;
  title: string;
  /** What the operator wants; survives restarts. */
  desiredState: 'run' | 'stopped';
  state: InstanceState;
  /** A sentence a person understands, when the state needs one. */
  reason: string | null;
  /** Phone digits of the linked number; kept after a logout so that sends can still name it. */
  phone: string | null;
  /** The linked number's LID, where WhatsApp gives one. */
  lid: Jid | null;
  /** The name the linked number shows to others. */
  pushName: string | null;
  /** ISO country by which local numbers are resolved. */
  defaultCountry: string | null;
  /** The running version of the WhatsApp Web page. */
  webVersion: string | null;
  /** Messages received after this Unix ms are looked for again after a restart. */
  lastEventAt: number | null;
  lastReadyAt: number | null;
  createdAt: number;
}
