import type { ContentInput, MediaType, OutgoingContent } from '../model/content.ts';
import { GatewayError } from '../model/errors.ts';
import type { Media } from './media.ts';

/** WhatsApp cuts texts at 65,536 characters. */
const maxTextLength = 65_536;
const maxCaptionLength = 4_096;

/**
 * Returns what turns a caller's words into content whose file is stored.
 * @throws GatewayError invalid_input | invalid_media | too_large | blocked_address | fetch_failed
 */
export function createContentPreparation(
  media: Pick<Media, 'saveBase64' | 'saveUrl'>,
): (accountId: string, input: ContentInput) => Promise<OutgoingContent> {
  return async (accountId, input) => {
    if (input.type === 'text') {
      checkText('message', input.text, maxTextLength);
      if (input.text.trim() === '')
        throw new GatewayError('invalid_input', 'The message is empty', { details: { message: 'is empty' } });
      return { type: 'text', text: input.text };
    }
    const { source, caption } = input;
    if (caption) checkText('caption', caption, maxCaptionLength);
    const claim = { accountId, mimeType: input.mimeType, filename: input.filename };
    const ref = await ('base64' in source
      ? media.saveBase64({ ...claim, ...source })
      : media.saveUrl({ ...claim, ...source }));
    return { type: kindOf(ref.mimeType, input.as ?? 'auto'), media: ref, ...(caption ? { caption } : {}) };
  };
}

function checkText(field: string, text: string, most: number): void {
  if (text.length > most)
    throw new GatewayError('invalid_input', `The ${field} is longer than ${most} characters`, {
      details: { [field]: `is longer than ${most} characters` },
    });
}

function kindOf(mimeType: string, wish: 'auto' | 'document' | 'voice' | 'sticker'): MediaType {
  if (wish !== 'auto') return wish;
  return byMimeType.find(([pattern]) => pattern.test(mimeType))?.[1] ?? 'document';
}

/** What WhatsApp shows inline; everything else travels as a document. */
const byMimeType: readonly (readonly [RegExp, MediaType])[] = [
  [/^image\/(jpeg|png|webp|gif)$/, 'image'],
  [/^video\/(mp4|3gpp|quicktime)$/, 'video'],
  [/^audio\/(mpeg|mp4|aac|ogg|amr|wav|x-wav)\b/, 'audio'],
];
