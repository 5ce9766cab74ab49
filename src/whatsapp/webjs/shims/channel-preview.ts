/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * The preview of a link in a channel is made in another way, which WhatsApp Web chooses by the chat that it is given. The
 * library gives none; previews in channels came out empty. Source: WAWebLinkPreviewChatAction.getLinkPreview(link, chat).
 */
export const channelPreview: Shim = {
  name: 'channel-preview',
  issue: 'OpenWA issue 1006, PR 1044',
  stage: 'synced',
  features: ['channels'],
  isNeeded(page: any) {
    return page.require('WAWebLinkPreviewChatAction').getLinkPreview.length > 1;
  },
  apply(page: any) {
    const { getIsNewsletter } = page.require('WAWebChatGetters');
    const { findLink } = page.require('WALinkify');
    const { getLinkPreview } = page.require('WAWebLinkPreviewChatAction');
    const { sendMessage } = page.WWebJS;
    page.WWebJS.sendMessage = async (chat: any, content: any, options: any = {}) => {
      const link = options.linkPreview && getIsNewsletter(chat) ? findLink(content) : null;
      if (!link) return sendMessage(chat, content, options);
      const { linkPreview: _made, ...others } = options;
      const preview = (await getLinkPreview(link, chat))?.data;
      const fields = preview ? { ...preview, preview: true, subtype: 'url' } : {};
      return sendMessage(chat, content, { ...others, ...fields });
    };
  },
};
