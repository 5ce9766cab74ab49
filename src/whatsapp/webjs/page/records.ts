import type { Ack, FailureReason, RevokedBy } from '../../../model/message.ts';
import type { PasskeyAssertion, PasskeyStep } from '../../../model/passkey.ts';

/** What the bridge in the page tells Node, in the order it happened; one array a turn. */
export type PageRecord =
  | { kind: 'accepted'; waId: string; waKey: string; ack: Ack }
  | { kind: 'refused'; waId: string; reason: FailureReason; detail: string }
  | { kind: 'error'; waId: string; detail: string }
  | { kind: 'ack'; waId: string; waKey: string; ack: Ack }
  /** Stored by WhatsApp Web and then not sent, for good. */
  | { kind: 'failed'; waId: string; waKey: string; detail: string }
  | { kind: 'message'; message: PageMessage }
  | { kind: 'change'; change: PageChange }
  | { kind: 'signal'; signal: PageSignal }
  /** More signals came at once than the page tells. */
  | { kind: 'signals_dropped'; count: number }
  | { kind: 'passkey'; told: PasskeyStep }
  /** Another place goes on with this login. */
  | { kind: 'replaced' };

/** What Node may ask the passkey step for, as `window.wapbridgePasskey`. */
export interface PagePasskeyControl {
  noticed(): void;
  refresh(): Promise<void>;
  answer(given: PasskeyAssertion): boolean;
  confirm(): boolean;
}

/** What a stanza tells beside messages; times in Unix seconds, addresses as on the wire. */
export type PageSignal =
  | ({ type: 'typing'; chat: string; state: 'typing' | 'recording' | 'paused' } & PageSender)
  | ({ type: 'presence'; isAvailable: boolean; lastSeen: number | null } & PageSender)
  | ({
      type: 'call_offered';
      callId: string;
      isVideo: boolean;
      isGroup: boolean;
      group: string | null;
      platform: string | null;
      t: number;
    } & PageSender)
  | ({ type: 'call_ended'; callId: string; reason: string | null; t: number } & PageSender)
  | { type: 'picture'; chat: string; author: string | null; pictureId: string | null; t: number }
  | {
      type: 'offline_preview';
      total: number;
      messages: number;
      notifications: number;
      receipts: number;
      appData: number;
    }
  | { type: 'offline_done'; total: number };

/** Who a signal comes from; the phone is null where the page does not know it. */
interface PageSender {
  sender: string;
  senderPhone: string | null;
}

/** What somebody changed about a message afterwards; `at` in Unix ms, `chats` the addresses its chat is known by. */
export type PageChange = { waId: string; chats: string[]; at: number } & (
  | { type: 'edited'; text: string }
  | { type: 'revoked'; by: RevokedBy; sender: string | null; senderPhone: string | null }
  | { type: 'reacted'; sender: string; senderPhone: string | null; fromMe: boolean; emoji: string }
);

/** A message as plain fields: received, or written on another device of this number. */
export interface PageMessage {
  fromMe: boolean;
  ack: Ack;
  waId: string;
  waKey: string;
  chat: string;
  sender: string;
  senderPhone: string | null;
  senderName: string | null;
  /** WhatsApp's own type name: `chat`, `image`, `ptt`, … */
  type: string;
  text: string;
  caption: string;
  mimeType: string | null;
  filename: string | null;
  sizeBytes: number | null;
  hasMedia: boolean;
  /** Unix seconds. */
  t: number;
}

/** A message for the page to send. */
export interface PageSend {
  waId: string;
  chat: string;
  retry: boolean;
  text: string;
  /** In the shape of whatsapp-web.js' `MessageMedia`. */
  media?: { data: string; mimetype: string; filename: string | undefined };
  /** `internalOptions` of whatsapp-web.js' `sendMessage`. */
  options: PageSendOptions;
}

/** The options of `WWebJS.sendMessage` that the codecs use. */
export interface PageSendOptions {
  caption?: string;
  isCaptionByUser?: boolean;
  linkPreview?: true;
  sendAudioAsVoice?: boolean;
  sendMediaAsDocument?: boolean;
  sendMediaAsSticker?: boolean;
}

/** What the bridge offers to Node, as `window.wapbridge`. */
export interface PageBridge {
  send(messages: PageSend[]): void;
  find(keys: { waId: string; chat: string }[]): Promise<{ waId: string; waKey: string; ack: Ack }[]>;
  /** The chats in which something happened since then, the longest ago first. */
  chatsSince(sinceSeconds: number): string[];
  receivedSince(chat: string, sinceSeconds: number): Promise<PageMessage[]>;
  /** What was changed about these messages; `t` in Unix seconds. */
  amended(keys: { waKey: string; t: number }[]): Promise<PageChange[]>;
  checkNumber(jid: string): Promise<string | null>;
  downloadMedia(
    waKey: string,
  ): Promise<{ data: string; mimeType: string; filename: string | null } | { error: string }>;
  /** What WhatsApp keeps the number from, null where the page does not tell; `endsAt` in Unix seconds. */
  restrictions(): Promise<{
    timelock: { isActive: boolean; endsAt: number | null } | null;
    newChats: { used: number; total: number } | null;
  }>;
  account(): { phone: string; lid: string | null; pushName: string | null; webVersion: string };
}

/** What the parts of the bridge share beside what Node calls. */
interface BridgeInside extends PageBridge {
  report(record: PageRecord): void;
  /** The serialized form of a Wid or MsgKey. */
  // oxlint-disable-next-line typescript/no-explicit-any -- WhatsApp Web's own objects have no types
  text(id: any): string;
  /** Everything that a thrown value tells: WhatsApp Web's own errors have a one-letter name and speak by their fields. */
  describe(error: unknown): string;
  /** Hears from the shim that a message which was stored could not be sent. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  sendFailed(key: any, detail: string): void;
  /** Returns the first message that is known under one of these serialized keys. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  lookUp(keys: string[]): Promise<any>;
  /** The LID behind a phone address, or the other way round, as far as the page knows. */
  alternate(address: string): string | null;
  /** Tells whether the address is the linked number's own. */
  isMe(address: string): boolean;
  /** Runs the work when what was received in the chat before has been reported. */
  inOrder(chat: string, work: () => void): void;
  /** The chat's messages since then (Unix seconds), from memory and the page's database, oldest first. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  messagesBackTo(chat: any, sinceSeconds: number): Promise<any[]>;
}

/** One part of the bridge: runs in the page, may import nothing but types, and adds to the bridge. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
export type BridgePart = (bridge: BridgeInside, page: any, bindingName: string) => void;
