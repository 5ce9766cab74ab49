import type { Readable } from 'node:stream';
import type { Middleware } from 'koa';
import { toGatewayError } from '../model/errors.ts';
import { fileHeaders } from './security-headers.ts';

/** What the download route asks of the media store. */
export interface MediaOpener {
  /** @throws GatewayError forbidden (signature, expiry) | not_found */
  open(
    mediaId: string,
    expires: string,
    signature: string,
  ): Promise<{ stream: Readable; mimeType: string; filename?: string; sizeBytes: number }>;
}

/** Types that a browser shows without running anything in them; everything else is a download. PDFs too: viewers run scripts in them, and refuse to show them in the sandbox that files are given. */
const inlineTypes = /^(image\/(jpeg|png|gif|webp)|video\/(mp4|webm|3gpp)|audio\/(mpeg|mp4|ogg|aac|amr|wav))$/;
const mediaPath = /^\/media\/([0-9A-Za-z]{1,64})$/;

/** Returns `GET /media/:id?expires=…&signature=…`: a stored file, for who holds the signed URL. */
export function createMediaDownload(media: MediaOpener): Middleware {
  return async (ctx, next) => {
    const id = mediaPath.exec(ctx.path)?.[1];
    if (id === undefined || !/^(GET|HEAD)$/.test(ctx.method)) return await next();
    try {
      const params = new URLSearchParams(ctx.querystring);
      const file = await media.open(id, params.get('expires') ?? '', params.get('signature') ?? '');
      const baseType = file.mimeType.split(';')[0]?.trim().toLowerCase() ?? '';
      ctx.set('Content-Type', /^[\w.+-]+\/[\w.+-]+$/.test(baseType) ? baseType : 'application/octet-stream');
      ctx.set('Content-Length', String(file.sizeBytes));
      ctx.set(
        'Content-Disposition',
        contentDisposition(inlineTypes.test(baseType) ? 'inline' : 'attachment', file.filename),
      );
      ctx.set(fileHeaders);
      ctx.set('Cache-Control', 'private, max-age=3600');
      ctx.status = 200;
      if (ctx.method === 'HEAD') {
        file.stream.destroy();
        ctx.res.setHeader('Content-Length', String(file.sizeBytes));
        return;
      }
      // Koa cannot tell the client of a failure once headers are out: an incomplete answer must not look complete.
      file.stream.once('error', () => ctx.res.destroy());
      ctx.body = file.stream;
      ctx.length = file.sizeBytes;
    } catch (error) {
      const failure = toGatewayError(error);
      if (failure.code === 'internal_error') throw error;
      ctx.status = failure.status;
      ctx.body = { error: failure.message, code: failure.code };
    }
  };
}

/** Returns a `Content-Disposition` value: an ASCII name for old clients, the real one as RFC 6266 says, nothing that breaks a header. */
export function contentDisposition(kind: 'inline' | 'attachment', filename?: string): string {
  const name = (filename ?? '').replace(/[\p{Cc}\p{Cf}/\\]/gu, '_').slice(0, 200);
  if (name === '') return kind;
  const ascii = name.replace(/[^\x20-\x7E]|["%]/g, '_');
  const encoded = encodeURIComponent(Buffer.from(name).toString()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return ascii === name ? `${kind}; filename="${ascii}"` : `${kind}; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
