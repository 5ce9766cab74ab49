/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * Files are fetched with their MIME type; without it newer pages give nothing. The library gives none. It is taken from the
 * message whose file it is. Source: WAWebDownloadManager.downloadManager.downloadAndMaybeDecrypt({…, mimetype}).
 */
export const downloadType: Shim = {
  name: 'download-type',
  issue: 'wwebjs issue 201908',
  stage: 'synced',
  features: [],
  isNeeded(page: any) {
    return typeof page.require('WAWebDownloadManager').downloadManager.downloadAndMaybeDecrypt === 'function';
  },
  apply(page: any) {
    const { Msg } = page.require('WAWebCollections');
    const manager = page.require('WAWebDownloadManager').downloadManager;
    const download = manager.downloadAndMaybeDecrypt.bind(manager);
    const usual: Record<string, string> = {
      image: 'image/jpeg',
      sticker: 'image/webp',
      video: 'video/mp4',
      gif: 'video/mp4',
      ptt: 'audio/ogg; codecs=opus',
      audio: 'audio/mpeg',
    };
    manager.downloadAndMaybeDecrypt = (options: any) => {
      if (options.mimetype !== undefined) return download(options);
      const message = Msg.getModelsArray().findLast((other: any) => other.directPath === options.directPath);
      return download({ ...options, mimetype: message?.mimetype ?? usual[options.type] ?? 'application/octet-stream' });
    };
  },
};
