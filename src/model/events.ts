import type { CampaignCounters, CampaignState, PauseReason, RecipientState } from './campaign.ts';

/**
 * The catalogue of facts that the gateway stores once and tells webhook endpoints. A new event is a row here;
 * each dialect's `webhooks.ts` then may render it.
 */
export const eventTable = {
  'message.received': 'A message arrived from WhatsApp',
  'message.status': 'An outgoing message was sent, delivered, read, or failed',
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

export type EventType = keyof typeof eventTable;

/** What each event says; the payload names rows, and a dialect's renderer reads them from here only. */
export interface EventPayloads {
  'message.received': { messageId: string };
  'message.status': { messageId: string; state: string; ack: number; reason: string | null };
  'instance.status': { state: string; reason: string | null };
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
