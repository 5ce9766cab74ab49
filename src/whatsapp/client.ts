import type { Content, MediaType, OutgoingContent } from '../model/content.ts';
import type { Jid } from '../model/jid.ts';
import type { Ack, FailureReason } from '../model/message.ts';

/** What the core asks of one linked WhatsApp account. The only implementation is `webjs/`; tests drive that one too. */
export interface WhatsAppClient {
  /** Opens the page; resolves when it shows a QR code or is authenticated. Progress comes as events. */
  start(): Promise<void>;
  /** Closes the browser in good order within `timeoutMs`, by force after that; the login stays in the profile. */
  stop(timeoutMs: number): Promise<void>;
  /** Asks WhatsApp for a pairing code (`ABCDEFGH`) to be typed on the phone with these digits. */
  requestPairingCode(phone: string): Promise<string>;
  /** Unlinks the device from the phone and closes the browser. */
  logout(): Promise<void>;
  /**
   * Hands messages to the page, which sends them one after another; each result comes as a `sent` event.
   * Sending an id that the page already holds changes nothing and reports what the page knows of it.
   */
  send(messages: ClientMessage[]): Promise<void>;
  /** Looks messages up by bare id, in memory and in the page's database; unknown ones are absent. */
  find(keys: MessageLookup[]): Promise<SentMessage[]>;
  /** Tells under which address WhatsApp knows a number, null when it does not. */
  checkNumber(jid: Jid): Promise<Jid | null>;
  /** Asks what WhatsApp keeps the number from at the moment. */
  restrictions(): Promise<Restrictions>;
  /** Fetches the file of a received message. */
  downloadMedia(waKey: string): Promise<ClientFile>;
  /** Returns messages received after this Unix ms that the page knows of, oldest first. */
  receivedSince(sinceMs: number): Promise<ReceivedMessage[]>;
  /** Asks the page for its connection state; rejects when it does not answer within `timeoutMs`. */
  probe(timeoutMs: number): Promise<string>;
}

/** A message for the page to send. */
export interface ClientMessage {
  /** The bare id chosen by the core. */
  waId: string;
  chat: Jid;
  content: OutgoingContent;
  /** The bytes of `content.media`, base64. */
  mediaBase64?: string;
  /** True when it may have been sent before: the page then looks into its database first. */
  retry: boolean;
}

export interface MessageLookup {
  waId: string;
  chat: Jid;
}

/** What the page knows of an outgoing message. */
export interface SentMessage {
  waId: string;
  /** The serialized key under which WhatsApp Web keeps it: the chat may have become a LID. */
  waKey: string;
  ack: Ack;
}

/** The end of one `send`: stored by WhatsApp Web, refused for good, or not known (an error on the way). */
export type SendOutcome =
  | ({ result: 'accepted' } & SentMessage)
  | { result: 'refused'; waId: string; reason: FailureReason; detail: string }
  | { result: 'error'; waId: string; detail: string; unanswered?: true };

/** What WhatsApp keeps a number from; null where it does not tell. */
export interface Restrictions {
  /** Writing to people with whom there is no chat is refused, until `endsAt` (Unix ms) if that is told. */
  timelock: { isActive: boolean; endsAt: number | null } | null;
  /** Messages to such people in the current cycle, and how many there may be. */
  newChats: { used: number; total: number } | null;
}

/** A file as it came from WhatsApp. */
export interface ClientFile {
  data: Buffer;
  mimeType: string;
  filename?: string;
}

/** A message that arrived. */
export interface ReceivedMessage {
  waId: string;
  waKey: string;
  chat: Jid;
  sender: Jid;
  senderPhone: string | null;
  senderName: string | null;
  content: Content;
  /** Present when a file belongs to it that must be fetched. */
  hasMedia: boolean;
  mediaInfo?: { type: MediaType; mimeType: string; filename?: string; sizeBytes?: number };
  /** Unix ms on the sender's clock. */
  happenedAt: number;
}

/** The account behind a linked device. */
export interface LinkedAccount {
  phone: string;
  lid: Jid | null;
  pushName: string | null;
  webVersion: string;
}

/** What a client tells the core, in the order it happened. */
export type ClientEvent =
  | { type: 'qr'; code: string }
  | { type: 'authenticating' }
  | { type: 'ready'; account: LinkedAccount }
  | { type: 'sent'; outcomes: SendOutcome[] }
  | { type: 'acks'; acks: SentMessage[] }
  | { type: 'received'; messages: ReceivedMessage[] }
  | { type: 'connection'; state: string }
  | { type: 'logged_out' }
  | { type: 'closed'; reason: string };

/** What a client needs to come to life. */
export interface ClientOptions {
  instanceId: string;
  /** The browser profile: a directory of this instance alone. */
  profileDir: string;
  onEvent(event: ClientEvent): void;
}

export type ClientFactory = (options: ClientOptions) => WhatsAppClient;
