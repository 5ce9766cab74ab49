import { GatewayError } from '../../model/errors.ts';

/**
 * Returns the bytes of base64 text. Taken are both alphabets, white space, missing padding and a `data:…;base64,` prefix (seed 004 asks
 * for none, clients send it all the same); everything else is refused, where Node's own decoder would skip it.
 * @throws GatewayError invalid_media | too_large
 */
export function decodeBase64(text: string, maxBytes: number): { bytes: Buffer; mimeType: string | null } {
  const prefix = /^\s*data:([\w.+-]+\/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,/i.exec(text);
  const start = prefix ? prefix[0].length : 0;
  // Checked before anything is copied: base64 with white space is longer still.
  if ((text.length - start) * 0.75 > maxBytes * 1.1 + 64) throw tooLarge(maxBytes);

  const body = text.slice(start).replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(body)) throw new GatewayError('invalid_media', 'The media is not valid base64');
  const unpadded = body.replace(/=+$/, '');
  if (unpadded === '') throw new GatewayError('invalid_media', 'The media is empty');
  const padding = body.length - unpadded.length;
  if (unpadded.length % 4 === 1 || (padding > 0 && body.length % 4 !== 0))
    throw new GatewayError('invalid_media', 'The media is not valid base64: it is cut off');

  const bytes = Buffer.from(unpadded, 'base64');
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return { bytes, mimeType: prefix?.[1]?.toLowerCase() ?? null };
}

/** Returns the refusal of a file above the limit. */
export function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('too_large', `The media is larger than ${maxBytes} bytes`);
}
