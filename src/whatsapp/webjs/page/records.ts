import type { Ack, FailureReason } from '../../../model/message.ts';

/** What the bridge in the page tells Node, in the order it happened; one array a turn. */
export type PageRecord =
  | { kind: 'accepted'; waId: string; waKey: string; ack: Ack }
  | { kind: 'refused'; waId: string; reason: FailureReason; detail: string }
  | { kind: 'error'; waId: string; detail: string }
  | { kind: 'ack'; waId: string; waKey: string; ack: Ack }
  | { kind: 'message'; message: PageMessage };

/** A received message as plain fields. */
export interface PageMessage {
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
  receivedSince(sinceSeconds: number): Promise<PageMessage[]>;
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
export interface BridgeInside extends PageBridge {
  report(record: PageRecord): void;
  /** The serialized form of a Wid or MsgKey. */
  // oxlint-disable-next-line typescript/no-explicit-any -- WhatsApp Web's own objects have no types
  text(id: any): string;
  /** Returns the first message that is known under one of these serialized keys. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  lookUp(keys: string[]): Promise<any>;
  /** The LID behind a phone address, or the other way round, as far as the page knows. */
  alternate(address: string): string | null;
}

/** One part of the bridge: runs in the page, may import nothing but types, and adds to the bridge. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
export type BridgePart = (bridge: BridgeInside, page: any, bindingName: string) => void;
