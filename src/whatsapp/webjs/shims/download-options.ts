/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * Files are fetched with their MIME type, without which newer pages give nothing, and with a measurement (QPL) that tells who it is, which
 * pages of October 2026 hand to the worker that decrypts. The library gives no type, and a measurement that cannot tell. The type is
 * taken from the message whose file it is.
 * Source: WAWebDownloadManager.downloadManager.downloadAndMaybeDecrypt({…, mimetype, downloadQpl}), which calls
 * WAWebMainThreadQplHandler.serializeQplForBridge(downloadQpl) by way of WAWebCryptoDecryptMediaV2.
 */
export const downloadOptions: Shim = {
  name: 'download-options',
  issue: 'wwebjs issue 201908; none for the measurement',
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

    function typeOf({ mimetype, directPath, type }: any): string {
      if (mimetype !== undefined) return mimetype;
      const message = Msg.getModelsArray().findLast((other: any) => other.directPath === directPath);
      return message?.mimetype ?? usual[type] ?? 'application/octet-stream';
    }

    function measurementOf({ downloadQpl }: any): any {
      if (typeof downloadQpl?.getQPLAttrs === 'function') return downloadQpl;
      return { ...downloadQpl, getQPLAttrs: () => ({ markerId: 0, instanceKey: 0 }), isActive: () => false };
    }

    manager.downloadAndMaybeDecrypt = (options: any) =>
      download({ ...options, mimetype: typeOf(options), downloadQpl: measurementOf(options) });
  },
};
