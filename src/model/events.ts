import type { CampaignCounters, CampaignState, PauseReason, RecipientState } from './campaign.ts';
import type { Jid } from './jid.ts';
import type { RevokedBy } from './message.ts';
import type { PasskeyStep } from './passkey.ts';

/**
 * The catalogue of facts that the gateway stores once and tells webhook endpoints. A new event is a row here;
 * each dialect's `webhooks.ts` then may render it.
 */
export const eventTable = {
  'message.received': 'A message arrived from WhatsApp',
  'message.media': 'The file of a received message is there now: there was no room for it when the message came',
  'message.sent': 'A message was written on the linked phone itself, or on another of its devices',
  'message.edited': 'The text of a message was changed, by whoever wrote it',
  'message.revoked': 'A message was deleted, for everyone or on the linked phone alone',
  'message.reaction': 'Somebody reacted to a message, or took the reaction back',
  'message.status': 'An outgoing message was sent, delivered, read, or failed',
  'contact.typing': 'Somebody types or records a voice message, or stopped',
  'contact.presence': 'Somebody whose presence is watched came online or went',
  'contact.picture': 'The picture of a contact or a group was changed or removed',
  'call.offered': 'Somebody calls the linked number',
  'call.ended': 'A call to the linked number is over, answered or not',
  'instance.passkey': 'WhatsApp asks for the passkey of a number that is being linked, and what became of it',
  'instance.offline_sync': 'WhatsApp told how much waits after a time away, or has delivered it all',
  'instance.status': 'An instance changed its state',
  'webhook.disabled': 'A webhook receiver was given up after long failure, or because it answered 410',
  'campaign.started': 'A campaign began to send',
  'campaign.paused': 'A campaign was paused, by a person or by the gateway',
  'campaign.resumed': 'A paused campaign goes on, or a completed one got new recipients',
  'campaign.completed': 'A campaign has served its last recipient',
  'campaign.cancelled': 'A campaign was cancelled, or its end time came',
  'campaign.failed': 'A campaign cannot go on: its instance was deleted',
  'campaign.recipient': 'A recipient of a campaign was served or could not be (campaigns that ask for it)',
  'contact.opted_out': 'A person asked not to be written to in bulk',
  'contact.opted_in': 'A person who had opted out may be written to again',
} as const satisfies Record<string, string>;

/** The name of an event, the same in every API. */
export type EventType = keyof typeof eventTable;

/** What a receiver may ask for: an event, or all of them, with those of later versions. */
export type EventChoice = EventType | '*';

/** What each event says; the payload names rows, and a dialect's renderer reads them from here only. */
export interface EventPayloads {
  'message.received': { messageId: string };
  'message.media': { messageId: string };
  'message.sent': { messageId: string };
  'message.edited': { messageId: string; text: string; previousText: string; editedAt: number };
  'message.revoked': {
    messageId: string;
    by: RevokedBy;
    sender: Jid | null;
    senderPhone: string | null;
    revokedAt: number;
  };
  'message.reaction': {
    messageId: string;
    /** Null: the reaction was taken back. */
    emoji: string | null;
    previousEmoji: string | null;
    sender: Jid;
    senderPhone: string | null;
    fromMe: boolean;
    reactedAt: number;
  };
  'message.status': { messageId: string; state: string; ack: number; reason: string | null };
  'contact.typing': { chat: Jid; sender: Jid; senderPhone: string | null; state: ChatState };
  'contact.presence': { sender: Jid; senderPhone: string | null; isAvailable: boolean; lastSeenAt: number | null };
  /** No id: the picture was removed. */
  'contact.picture': {
    chat: Jid;
    phone: string | null;
    author: Jid | null;
    pictureId: string | null;
    changedAt: number;
  };
  'call.offered': {
    callId: string;
    sender: Jid;
    senderPhone: string | null;
    isVideo: boolean;
    isGroup: boolean;
    group: Jid | null;
    platform: string | null;
    offeredAt: number;
  };
  'call.ended': { callId: string; sender: Jid; senderPhone: string | null; reason: CallEnd; endedAt: number };
  'instance.passkey': {
    step: Exclude<PasskeyStep['step'], 'over'>;
    options: Record<string, unknown> | null;
    code: string | null;
    reason: string | null;
    expiresAt: number;
  };
  'instance.offline_sync': { phase: 'preview' | 'completed'; total: number; kinds: OfflineKinds | null };
  'instance.status': { state: string; reason: string | null; code?: string | null };
  'webhook.disabled': { endpointId: string; url: string; reason: string };
  'campaign.started': CampaignPayload;
  'campaign.paused': CampaignPayload;
  'campaign.resumed': CampaignPayload;
  'campaign.completed': CampaignPayload;
  'campaign.cancelled': CampaignPayload;
  'campaign.failed': CampaignPayload;
  'campaign.recipient': {
    campaignId: string;
    phone: string;
    state: RecipientState;
    reason: string | null;
    messageId: string | null;
  };
  'contact.opted_out': { phone: string; source: string };
  'contact.opted_in': { phone: string; source: string };
}

/** What somebody does in a chat. */
export type ChatState = 'typing' | 'recording' | 'paused';

/** How a call ended: nobody answered in time, the caller gave up, it was declined, the line was busy, or another device took it. */
export type CallEnd = 'timeout' | 'hangup' | 'decline' | 'busy' | 'elsewhere';

/** What waits for a number after a time away, by kind. */
export interface OfflineKinds {
  messages: number;
  notifications: number;
  receipts: number;
  appData: number;
}

/** What campaign events say: the state the campaign is in then, and why. */
export interface CampaignPayload {
  campaignId: string;
  name: string;
  state: CampaignState;
  reason: PauseReason | null;
  counters: CampaignCounters;
}

/** A fact that happened, stored once. */
export interface GatewayEvent<T extends EventType = EventType> {
  /** ULID; the stable part of `webhook-id`. */
  id: string;
  accountId: string;
  instanceId: string | null;
  type: T;
  payload: EventPayloads[T];
  /** Deliveries with the same key go out in order (a chat). */
  orderKey: string;
  createdAt: number;
}

/** An event before it is stored. */
export type NewEvent<T extends EventType = EventType> = Omit<GatewayEvent<T>, 'id' | 'createdAt'>;

/** Tells whether the text names an event. */
export function isEventType(text: string): text is EventType {
  return Object.hasOwn(eventTable, text);
}
