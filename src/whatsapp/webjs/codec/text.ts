import type { TextContent } from '../../../model/content.ts';
import type { Codec } from './index.ts';

/** Text, with the link preview that WhatsApp Web makes itself. */
export const textCodec: Codec<TextContent> = {
  encode: (content) => ({ text: content.text, options: { linkPreview: true } }),
  decode: (message) => ({ type: 'text', text: message.text }),
};
