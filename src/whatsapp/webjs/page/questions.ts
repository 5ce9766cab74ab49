/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { BridgePart } from './records.ts';

/** Runs in the page: numbers, files, and who is linked. */
export const questions: BridgePart = (bridge, page) => {
  const { text } = bridge;

  bridge.checkNumber = async (jid) => {
    const wid = page.require('WAWebWidFactory').createWid(jid);
    const result = await page.require('WAWebQueryExistsJob').queryWidExists(wid);
    return result?.wid ? text(result.wid) : null;
  };

  /** A measurement (QPL) that nobody takes, with all that the page asks of one. */
  const quiet: any = {
    addAnnotations: () => quiet,
    addPoint: () => quiet,
    getQPLAttrs: () => ({ markerId: 0, instanceKey: 0 }),
    isActive: () => false,
  };

  // As whatsapp-web.js' downloadMedia, with the `mimetype` that newer pages insist on (issue 201908).
  bridge.downloadMedia = async (waKey) => {
    const message = await bridge.lookUp([waKey]);
    if (!message?.mediaData) return { error: 'WhatsApp Web does not know the message any more' };
    if (message.mediaData.mediaStage === 'REUPLOADING') return { error: 'The file has expired at WhatsApp' };
    if (message.mediaData.mediaStage !== 'RESOLVED')
      await message.downloadMedia({ downloadEvenIfExpensive: true, rmrReason: 1 });
    if (String(message.mediaData.mediaStage).includes('ERROR')) return { error: 'WhatsApp could not deliver the file' };
    const bytes = await page.require('WAWebDownloadManager').downloadManager.downloadAndMaybeDecrypt({
      directPath: message.directPath,
      encFilehash: message.encFilehash,
      filehash: message.filehash,
      mediaKey: message.mediaKey,
      mediaKeyTimestamp: message.mediaKeyTimestamp,
      type: message.type,
      mimetype: message.mimetype,
      signal: new AbortController().signal,
      downloadQpl: quiet,
    });
    const data = await page.WWebJS.arrayBufferToBase64Async(bytes);
    return { data, mimeType: message.mimetype, filename: message.filename ?? null };
  };

  bridge.account = () => {
    const me = page.require('WAWebUserPrefsMeUser');
    const lid = me.getMaybeMeLidUser();
    return {
      phone: me.getMaybeMePnUser()?.user ?? '',
      lid: lid ? text(lid) : null,
      pushName: page.require('WAWebConnModel').Conn.pushname ?? null,
      webVersion: page.Debug.VERSION,
    };
  };
};
