import type { UploadedFile } from '../../http/body-params.ts';
import type { ContentInput } from '../../model/content.ts';
import { GatewayError } from '../../model/errors.ts';

/** Where a file may stand in a call. */
interface MediaInput {
  media_data?: string;
  media_url?: string;
  file?: UploadedFile;
  mime_type?: string;
  filename?: string;
}

/** Returns the file a call brings, null without one. @throws GatewayError invalid_input when it brings several */
export function mediaOf(input: MediaInput): Omit<Extract<ContentInput, { type: 'media' }>, 'type' | 'caption'> | null {
  const sources = [
    input.media_data === undefined ? null : { base64: input.media_data },
    input.media_url === undefined ? null : { url: input.media_url },
    input.file === undefined ? null : { base64: input.file.data.toString('base64') },
  ].filter((source) => source !== null);
  const [source] = sources;
  if (sources.length > 1)
    throw new GatewayError('invalid_input', 'Give the file once: as media_data, media_url or file');
  if (!source) return null;
  const mimeType = input.mime_type ?? (input.file?.mimeType || undefined);
  const filename = input.filename ?? (input.file?.filename || undefined);
  return { source, ...(mimeType !== undefined && { mimeType }), ...(filename !== undefined && { filename }) };
}
