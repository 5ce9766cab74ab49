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
        media: { data: mediaBase64, mimetype: content.media.mimeType, filename: content.media.filename },
        options: { ...options, ...(content.caption ? { caption: content.caption, isCaptionByUser: true } : {}) },
      };
    },
    decode: (message) => ({ type, ...(message.caption ? { caption: message.caption } : {}) }),
  };
}
