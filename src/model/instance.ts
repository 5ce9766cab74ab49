import type { ActionCode } from './action.ts';
import type { SelfTest } from './features.ts';
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
/** Where an instance is on its way to be ready. */
export type InstanceState = (typeof instanceStates)[number];

/** What an instance does when WhatsApp Web is opened elsewhere with its link: let the other one be, or take the link back. */
export const conflictPolicies = ['wait', 'takeover'] as const;
export type ConflictPolicy = (typeof conflictPolicies)[number];

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
  /** What a person has to do, null when nothing. */
  actionCode: ActionCode | null;
  /** Unix ms of the last change of `state`. */
  stateSince: number | null;
  /** Starts in a row that did not lead to five steady minutes. */
  attempts: number;
  /** When the next start is due, Unix ms; null when none waits. */
  nextAttemptAt: number | null;
  /** When the phone linked this device, Unix ms; null while it is not linked. */
  linkedAt: number | null;
  onConflict: ConflictPolicy;
  /** The address of its proxy with credentials, sealed; null for a direct connection. */
  proxySealed: string | null;
  /** The user agent its browser shows, null for the browser's own. */
  userAgent: string | null;
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
  /** What its page was last found to have. */
  selfTest: SelfTest | null;
  selfTestAt: number | null;
  /** Messages received after this Unix ms are looked for again after a restart. */
  lastEventAt: number | null;
  lastReadyAt: number | null;
  createdAt: number;
}

/** One change of an instance's state. */
export interface InstanceChange {
  /** ULID. */
  id: string;
  instanceId: string;
  state: InstanceState;
  /** What a person has to do, as a code. */
  code: string | null;
  reason: string | null;
  /** Unix ms. */
  createdAt: number;
}
