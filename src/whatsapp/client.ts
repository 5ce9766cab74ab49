import type { ActionCode } from '../model/action.ts';
import type { Content, MediaType, OutgoingContent } from '../model/content.ts';
import type { CallEnd, ChatState, OfflineKinds } from '../model/events.ts';
import type { SelfTest } from '../model/features.ts';
import type { Jid } from '../model/jid.ts';
import type { Ack, FailureReason, RevokedBy } from '../model/message.ts';
import type { PasskeyAssertion, PasskeyStep } from '../model/passkey.ts';

/** What the core asks of one linked WhatsApp account. The only implementation is `webjs/`; tests drive that one too. */
export interface WhatsAppClient {
  /** Opens the page; resolves when it shows a QR code or is authenticated. Progress comes as events. */
  start(): Promise<void>;
  /**
   * Closes the browser in good order within `timeoutMs`, by force after that; the login stays in the profile. Also ends a start on
   * its way. Resolves, when no process of it is left, to whether the browser closed by itself and so has written everything.
   */
  stop(timeoutMs: number): Promise<boolean>;
  /** Takes the link back from the other place where WhatsApp Web was opened with it. */
  takeover(): Promise<void>;
  /** Measures the memory of the browser with all its processes; null where the system does not tell. */
  memory(): Promise<BrowserMemory | null>;
  /** Asks WhatsApp for a pairing code (`ABCDEFGH`) to be typed on the phone with these digits. @throws GatewayError feature_unavailable */
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
  /** Returns the chats in which something happened after this Unix ms, those where it was the longest ago first. */
  chatsSince(sinceMs: number): Promise<Jid[]>;
  /** Returns messages of a chat received after this Unix ms that the page knows of, oldest first. */
  receivedSince(chat: Jid, sinceMs: number): Promise<ReceivedMessage[]>;
  /** Returns what was changed about these messages, as far as the page's database tells; the newest state of each. */
  amended(keys: AmendmentLookup[]): Promise<Amendment[]>;
  /** Looks whether the page has what each feature takes. */
  selfTest(): Promise<SelfTest>;
  /** Asks the page's passkey step for something; false when the page is not at that point. */
  passkey(request: PasskeyRequest): Promise<boolean>;
  /** Asks the page for its connection state; rejects when it does not answer within `timeoutMs`. */
  probe(timeoutMs: number): Promise<string>;
  /** Returns the page as it was before its scripts ran, with the version that it says it has. @throws Error when it is not known */
  webPage(): Promise<{ version: string; html: string }>;
  /** Returns the browser's name and version, `HeadlessChrome/156.0.7000.0`. */
  browserVersion(): Promise<string>;
  /** Returns the page as a person would see it, PNG; rejects when the browser does not answer within `timeoutMs`. */
  screenshot(timeoutMs: number): Promise<Buffer>;
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

/** What a message is looked up by. */
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
  /** What WhatsApp Web said of a message that it could not send. */
  detail?: string;
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

/** A message that arrived, or that was written on the linked phone. */
export interface ReceivedMessage {
  /** Set when the linked number wrote it, on another device. */
  fromMe?: { ack: Ack };
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

/** What somebody changed about a message afterwards. */
export type Amendment = {
  /** The bare id of the message it is about. */
  waId: string;
  /** The addresses its chat is known by: the phone number and the LID. */
  chats: Jid[];
} & (
  | { type: 'edited'; text: string; editedAt: number }
  | { type: 'revoked'; by: RevokedBy; sender: Jid | null; senderPhone: string | null; revokedAt: number }
  | {
      type: 'reacted';
      sender: Jid;
      senderPhone: string | null;
      fromMe: boolean;
      /** Empty: taken back. */
      emoji: string;
      reactedAt: number;
    }
);

/** What the passkey step of linking can be asked for. */
type PasskeyRequest =
  /** Tells again what has to be signed; something new after a failure. */
  { ask: 'refresh' } | { ask: 'answer'; assertion: PasskeyAssertion } | { ask: 'confirm' };

/** What goes on beside messages. Times are Unix ms; the phone is null where only a LID is known. */
export type Signal =
  | ({ type: 'typing'; chat: Jid; state: ChatState } & SignalSender)
  | ({ type: 'presence'; isAvailable: boolean; lastSeenAt: number | null } & SignalSender)
  | ({
      type: 'call_offered';
      callId: string;
      isVideo: boolean;
      isGroup: boolean;
      group: Jid | null;
      /** The caller's device, `android`, `iphone` …, as WhatsApp names it. */
      platform: string | null;
      offeredAt: number;
    } & SignalSender)
  | ({ type: 'call_ended'; callId: string; reason: CallEnd; endedAt: number } & SignalSender)
  | { type: 'picture'; chat: Jid; author: Jid | null; pictureId: string | null; changedAt: number }
  | { type: 'offline_sync'; phase: 'preview' | 'completed'; total: number; kinds: OfflineKinds | null };

interface SignalSender {
  sender: Jid;
  senderPhone: string | null;
}

/** A message whose changes are asked for. */
interface AmendmentLookup {
  waKey: string;
  /** Unix ms before which the page need not look for what became of it. */
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
  /** A sign of life between the login and ready: WhatsApp Web is loading what came meanwhile. */
  | { type: 'progress' }
  /** WhatsApp or the page asks for something that a person has to do; the next `authenticating` or `ready` ends it. */
  | { type: 'action_required'; code: ActionCode; reason?: string }
  /** Comes before `ready`, and again when the page is found to have changed. */
  | { type: 'self_test'; selfTest: SelfTest }
  | { type: 'passkey'; told: PasskeyStep }
  | { type: 'ready'; account: LinkedAccount }
  | { type: 'sent'; outcomes: SendOutcome[] }
  | { type: 'acks'; acks: SentMessage[] }
  | { type: 'received'; messages: ReceivedMessage[] }
  | { type: 'amended'; amendments: Amendment[] }
  /** `dropped`: how many more came than the page tells at once. */
  | { type: 'signals'; signals: Signal[]; dropped: number }
  | { type: 'connection'; state: string }
  | { type: 'logged_out' }
  | { type: 'closed'; reason: string; code?: ActionCode };

/** A failure to open the page whose cause is known, so that a person can be told what to do. */
export class ClientError extends Error {
  readonly code: ActionCode;

  constructor(code: ActionCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ClientError';
    this.code = code;
  }
}

/** Memory of a browser's process tree, bytes. */
export interface BrowserMemory {
  /** Shared pages counted in part: what the browser really costs. */
  pssBytes: number;
  rssBytes: number;
}

/** What a client needs to come to life. */
export interface ClientOptions {
  instanceId: string;
  /** The browser profile: a directory of this instance alone. */
  profileDir: string;
  /** `http`, `https` or `socks5`, with user and password where needed; null for a direct connection. */
  proxyUrl?: string | null;
  /** Null for the browser's own. */
  userAgent?: string | null;
  onEvent(event: ClientEvent): void;
}

/** Makes the client of one instance. */
export type ClientFactory = (options: ClientOptions) => WhatsAppClient;

/** The browser profiles on disk, as the core needs them. */
export interface ProfileKeeper {
  /** Removes a profile and its copies for good. */
  remove(profileDir: string): Promise<void>;
  /** Keeps a copy of what holds the login; the browser is closed. */
  keepCopy(profileDir: string): Promise<void>;
  /** Puts the last good copy in the profile's place, each copy once if it does not help; false when there is none. */
  restore(profileDir: string): Promise<boolean>;
  /** The instance is ready with the copy that was restored. */
  restoreHelped(profileDir: string): Promise<void>;
  /** Starts the browser on an empty profile: true when it works, so that the fault lies in the profile. */
  browserWorks(): Promise<boolean>;
}
