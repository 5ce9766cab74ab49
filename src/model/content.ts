/** A stored file: bytes on disk, described by its row in `media`. */
export interface MediaRef {
  mediaId: string;
  /** As sniffed from the bytes where they tell it, e.g. `image/jpeg`. */
  mimeType: string;
  filename?: string;
  sizeBytes: number;
}

/** The kinds of content that carry a file. */
export const mediaTypes = ['image', 'video', 'audio', 'voice', 'document', 'sticker'] as const;
/** A kind of content that is a file. */
export type MediaType = (typeof mediaTypes)[number];

/** A message of words alone. */
export interface TextContent {
  type: 'text';
  text: string;
}

/** A message that is a file. */
export interface MediaContent {
  type: MediaType;
  /** Absent while an inbound file is being fetched, and when it could not be had. */
  media?: MediaRef;
  caption?: string;
  /** Inbound: why there is no file. */
  mediaError?: string;
}

/** An inbound message of a kind the gateway does not take apart yet: WhatsApp's own type name and its text, if any. */
interface OtherContent {
  type: 'other';
  kind: string;
  text?: string;
}

/** What a message says. A new message type is a member here; the codec table then names the file to write. */
export type Content = TextContent | MediaContent | OtherContent;

/** What can be sent: a file is always there. */
export type OutgoingContent = TextContent | (MediaContent & { media: MediaRef });

/** Tells whether the content is of a kind that carries a file. */
export function isMediaContent(content: Content): content is MediaContent {
  return (mediaTypes as readonly string[]).includes(content.type);
}

/** Returns the text a person would read: the text itself or the caption. */
export function textOf(content: Content): string {
  if (isMediaContent(content)) return content.caption ?? '';
  return content.text ?? '';
}

/** Returns the content with another text, or caption. */
export function withText(content: Content, text: string): Content {
  return isMediaContent(content) ? { ...content, caption: text } : { ...content, text };
}

/** What a caller hands in to be sent; the core turns it into stored content. */
export type ContentInput =
  | { type: 'text'; text: string }
  | {
      type: 'media';
      source: { base64: string } | { url: string };
      /** What the caller says it is; the bytes have the last word where they tell. */
      mimeType?: string;
      filename?: string;
      caption?: string;
      /** `auto` picks image, video, audio or document by the file's type. */
      as?: 'auto' | 'document' | 'voice' | 'sticker';
    };
