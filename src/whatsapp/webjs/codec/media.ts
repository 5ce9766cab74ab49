import type { MediaContent, MediaRef, MediaType } from '../../../model/content.ts';
import { GatewayError } from '../../../model/errors.ts';
import type { PageSendOptions } from '../page/records.ts';
import type { Codec } from './index.ts';

/** Returns the codec of one kind of file: the bytes travel as base64, the caption beside them. */
export function mediaCodec<T extends MediaType>(
  type: T,
  options: PageSendOptions,
): Codec<MediaContent & { type: T; media: MediaRef }> {
  return {
    encode(content, mediaBase64) {
      if (mediaBase64 === undefined) throw new GatewayError('invalid_media', 'The file of the message is missing');
      return {
        text: '',
        media: {
          data: mediaBase64,
          mimetype: mimeTypeFor(content.media.mimeType, mediaBase64),
          filename: content.media.filename,
        },
        options: { ...options, ...(content.caption ? { caption: content.caption, isCaptionByUser: true } : {}) },
      };
    },
    decode: (message) => ({ type, ...(message.caption ? { caption: message.caption } : {}) }),
  };
}

/**
 * Returns the type under which WhatsApp takes the file. Sound in Ogg must name its codec: pages give out, and phones play, no other
 * than `audio/ogg; codecs=opus` (WAWebMmsMediaTypes.getValidMimeTypes).
 */
function mimeTypeFor(mimeType: string, mediaBase64: string): string {
  const isOgg = mimeType === 'audio/ogg' || mimeType === 'audio/opus';
  // The first page of an Ogg stream has the codec's name after its 28 bytes of head.
  const isOpus = isOgg && Buffer.from(mediaBase64.slice(0, 48), 'base64').toString('latin1', 28).startsWith('OpusHead');
  return isOpus ? 'audio/ogg; codecs=opus' : mimeType;
}
