import type { EventChoice, EventType, GatewayEvent } from './events.ts';
import type { Instance } from './instance.ts';
import type { Message } from './message.ts';

/** A webhook receiver: where events of an account, or of one of its instances, go, and in whose words. */
export interface Endpoint {
  /** ULID. */
  id: string;
  accountId: string;
  /** When set, only this instance's events. */
  instanceId: string | null;
  /** The one that is set without naming any: at most one for each scope and dialect. */
  isDefault: boolean;
  /** A name for people. */
  title: string | null;
  url: string;
  /** The name of the dialect whose payload and headers it gets. */
  dialect: string;
  events: EventChoice[];
  /** The secret itself is stored encrypted and not shown again. */
  hasSecret: boolean;
  /** Names of the headers that are sent beside the gateway's own; their values are stored encrypted. */
  headerNames: string[];
  /** One delivery at a time, in the order of the events, instead of in order within each chat. */
  isOrdered: boolean;
  /** Waiting times after the first, second … failure, before a delivery has failed for good; null for the usual ones. */
  retrySeconds: number[] | null;
  enabled: boolean;
  /** Why the gateway disabled it, e.g. that the receiver answered 410. */
  disabledReason: string | null;
  /** Failures in a row; 0 while all is well. */
  failStreak: number;
  firstFailureAt: number | null;
  /** Deliveries that failed for good since then. */
  exhausted: number;
  /** Unix ms until which nothing is sent, after too many failures in a row. */
  openUntil: number | null;
  createdAt: number;
}

/** The life of one event on its way to one endpoint: `retry` waits for its due time after a failed attempt. */
export type DeliveryState = 'pending' | 'retry' | 'delivered' | 'failed';

/** One HTTP try. */
export interface Attempt {
  id: string;
  deliveryId: string;
  endpointId: string;
  attempt: number;
  status: number | null;
  error: string | null;
  /** The start of the answer's body. */
  response: string | null;
  durationMs: number;
  createdAt: number;
}

/** One event on its way to one endpoint, as its owner sees it. */
export interface DeliveryRecord {
  id: string;
  endpointId: string;
  /** `webhook-id` is `msg_` and this. */
  eventId: string;
  event: EventType | null;
  instanceId: string | null;
  state: DeliveryState;
  /** Attempts made so far. */
  attempt: number;
  /** With `retry`: when it is tried again. */
  dueAt: number;
  createdAt: number;
  finishedAt: number | null;
}

/** A message's file in a webhook: inline, as a link, or null when it is gone. */
export type WebhookMedia = { base64: string } | { url: string } | null;

/** What a renderer may read beside the event. */
export interface WebhookFacts {
  message?: Message;
  instance?: Instance;
  /** The account's id. */
  accountId: string;
  /** Absent when the message carries no file. */
  media?: WebhookMedia;
}

/** A dialect's bodies by event: what is absent, the dialect does not have. A renderer that returns undefined sends nothing. */
type WebhookRenderers = { [T in EventType]?: (event: GatewayEvent<T>, facts: WebhookFacts) => unknown };

/** How a dialect speaks to webhook receivers. */
export interface WebhookDialect {
  render: WebhookRenderers;
  /** The dialect's own headers, in lower case, beside those of Standard Webhooks; `body` is what is sent, for signatures. */
  headers(input: { secret: string | null; body: string }): Record<string, string>;
}
