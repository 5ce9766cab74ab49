import type { Content } from './content.ts';
import type { Jid } from './jid.ts';

/**
 * The life of an outgoing message: `scheduled` (until its time) → `queued` → `sending` → `accepted` (WhatsApp Web has stored it,
 * ack 0) → `sent` (server) → `delivered` → `read`; or an end: `failed`, `uncertain`, `cancelled`. An inbound message is
 * `received`, or `fetching` until its file is there.
 */
export const messageStates = [
  'scheduled',
  'queued',
  'sending',
  'accepted',
  'sent',
  'delivered',
  'read',
  'failed',
  'uncertain',
  'cancelled',
  'fetching',
  'received',
] as const;
/** Where a message is on its way. */
export type MessageState = (typeof messageStates)[number];

/** Why a message failed or was cancelled; a closed set that reports and campaigns can count by. */
export type FailureReason =
  | 'not_on_whatsapp'
  | 'chat_not_found'
  | 'media_missing'
  /** The page could not make of the file what its type says. */
  | 'media_unreadable'
  | 'rejected_by_whatsapp'
  | 'expired'
  | 'cancelled_by_caller'
  | 'instance_deleted'
  | 'profile_lost'
  /** Told while it waits in the queue: the page cannot send its kind for now. */
  | 'feature_unavailable'
  | 'no_answer_from_page';

/** WhatsApp's own acknowledgement numbers: −1 error, 0 pending, 1 server, 2 device, 3 read, 4 played. */
export type Ack = -1 | 0 | 1 | 2 | 3 | 4;

/** Returns the state that an ack number proves. */
export function stateOfAck(ack: Ack): MessageState {
  return ackStates[ack];
}

const ackStates: Record<Ack, MessageState> = {
  [-1]: 'failed',
  0: 'accepted',
  1: 'sent',
  2: 'delivered',
  3: 'read',
  4: 'read',
};

/** Who deleted a message: its sender or a group's admin, both for everyone; or the linked phone, for itself alone. */
export type RevokedBy = 'sender' | 'admin' | 'me';

/** Who waits for a message: interactive goes before bulk. Lower numbers go first. */
export const priorities = { otp: 0, interactive: 1, bulk: 5 } as const;
export type Priority = (typeof priorities)[keyof typeof priorities];

/** A message in or out, as the store keeps it. */
export interface Message {
  /** ULID; of a scheduled message one that sorts by `sendAt` in place of the time it was made. */
  id: string;
  accountId: string;
  instanceId: string;
  direction: 'in' | 'out';
  /** The bare WhatsApp id, `3EB0…`; for outgoing messages chosen by us when the row is written. */
  waId: string;
  /** The serialized key, `true_255755123456@c.us_3EB0…`. */
  waKey: string;
  chat: Jid;
  /** Inbound: who wrote it (differs from `chat` in groups). */
  sender: Jid | null;
  /** Phone digits of the sender, where WhatsApp tells them (a LID may hide them). */
  senderPhone: string | null;
  senderName: string | null;
  content: Content;
  state: MessageState;
  reason: FailureReason | null;
  ack: Ack;
  priority: Priority;
  attempts: number;
  /** Unix ms after which it is dropped instead of sent late. */
  expiresAt: number | null;
  /** Unix ms before which it is not sent; null: at once. */
  sendAt: number | null;
  createdAt: number;
  /** Inbound: when the sender's phone sent it. Outgoing: when WhatsApp Web accepted it. */
  happenedAt: number | null;
  ackedAt: number | null;
  /** When its text was last edited, Unix ms on the sender's clock. */
  editedAt?: number;
  /** When it was deleted for everyone, or on the linked phone alone. */
  revokedAt?: number;
  /** The recipient of a campaign that it is for. */
  campaign?: CampaignSlot;
}

/** The place of a recipient in its campaign. */
export interface CampaignSlot {
  /** `WAP-CAM-0001` */
  campaignId: string;
  lane: number;
  seq: number;
}
