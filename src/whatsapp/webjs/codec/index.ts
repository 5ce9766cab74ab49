import type { Content, MediaType, OutgoingContent } from '../../../model/content.ts';
import type { PageMessage, PageSend } from '../page/records.ts';
import { mediaCodec } from './media.ts';
import { textCodec } from './text.ts';

/** How one kind of content travels between the core and the page. */
export interface Codec<T extends OutgoingContent> {
  /** What the page is asked to send, beside the address. */
  encode(content: T, mediaBase64: string | undefined): Pick<PageSend, 'text' | 'media' | 'options'>;
  /** The content of a received message of this kind. */
  decode(message: PageMessage): Content;
}

/** One codec per member of the union: a new message type does not compile until it has its row. */
const codecs: { [T in OutgoingContent['type']]: Codec<Extract<OutgoingContent, { type: T }>> } = {
  text: textCodec,
  image: mediaCodec('image', {}),
  video: mediaCodec('video', {}),
  audio: mediaCodec('audio', {}),
  voice: mediaCodec('voice', { sendAudioAsVoice: true }),
  document: mediaCodec('document', { sendMediaAsDocument: true }),
  sticker: mediaCodec('sticker', { sendMediaAsSticker: true }),
};

/** WhatsApp's type names that have a codec. */
const typeOfPage: Record<string, OutgoingContent['type']> = {
  chat: 'text',
  image: 'image',
  video: 'video',
  audio: 'audio',
  ptt: 'voice',
  document: 'document',
  sticker: 'sticker',
};

/** Returns what the page is asked to send. */
export function encodeContent(
  content: OutgoingContent,
  mediaBase64: string | undefined,
): Pick<PageSend, 'text' | 'media' | 'options'> {
  const codec = codecs[content.type] as Codec<OutgoingContent>;
  return codec.encode(content, mediaBase64);
}

/** Returns the content of a received message; kinds without a codec keep WhatsApp's name and text. */
export function decodeContent(message: PageMessage): Content {
  const type = typeOfPage[message.type];
  if (type) return codecs[type].decode(message);
  const text = message.caption || message.text;
  return { type: 'other', kind: message.type, ...(text ? { text } : {}) };
}

/** Returns the kind of file a received message carries, null when it carries none that is fetched. */
export function mediaTypeOf(message: PageMessage): MediaType | null {
  const type = typeOfPage[message.type];
  return message.hasMedia && type && type !== 'text' ? type : null;
}
