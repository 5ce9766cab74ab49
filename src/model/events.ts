/**
 * The catalogue of facts that the gateway stores once and tells webhook endpoints. A new event is a row here;
 * each dialect's `webhooks.ts` then may render it.
 */
export const eventTable = {
  'message.received': 'A message arrived from WhatsApp',
  'message.status': 'An outgoing message was sent, delivered, read, or failed',
  'instance.status': 'An instance changed its state',
} as const satisfies Record<string, string>;

export type EventType = keyof typeof eventTable;

/** What each event says; the payload names rows, and a dialect's renderer reads them from here only. */
export interface EventPayloads {
  'message.received': { messageId: string };
  'message.status': { messageId: string; state: string; ack: number; reason: string | null };
  'instance.status': { state: string; reason: string | null };
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
