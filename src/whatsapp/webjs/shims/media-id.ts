/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * Since 17 September 2026 a prepared file carries an enumerable `__x_id` of its own. The library spreads the file into the
 * message, whose id is then lost: "Data passed to getter must include an id property". The field stays on the file and is no
 * longer spread. A page shows the change only when a file is prepared, so this asks for the library's own cure instead.
 * Source: the media model that WAWebPrepRawMedia gives; the library's processMediaData and sendMessage (Utils.js).
 */
export const mediaId: Shim = {
  name: 'media-id',
  issue: 'wwebjs issues 201921, 201922, PR 201923',
  stage: 'synced',
  features: ['send_media'],
  isNeeded(page: any) {
    return !page.WWebJS.sendMessage.toString().includes('delete message.__x_id');
  },
  apply(page: any) {
    const { processMediaData } = page.WWebJS;
    page.WWebJS.processMediaData = async (...args: any[]) => {
      const media = await processMediaData(...args);
      const own = media && Object.getOwnPropertyDescriptor(media, '__x_id');
      if (own?.enumerable && own.configurable) Object.defineProperty(media, '__x_id', { ...own, enumerable: false });
      return media;
    };
    // Where the field cannot be hidden, the message is rid of it, as the library's next release does it.
    const actions = page.require('WAWebSendMsgChatAction');
    const { addAndSendMsgToChat } = actions;
    actions.addAndSendMsgToChat = (chat: any, message: any, ...rest: any[]) => {
      if (Object.getPrototypeOf(message) === Object.prototype) delete message.__x_id;
      return addAndSendMsgToChat(chat, message, ...rest);
    };
  },
};
