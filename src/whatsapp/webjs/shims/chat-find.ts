/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * The collection of chats has no `findImpl` any more, so `Chat.find` throws for a chat that is not loaded. The library still
 * asks it in ten places. Source: WAWebCollections.Chat; WAWebFindChatAction.findOrCreateLatestChat is what took its place.
 */
export const chatFind: Shim = {
  name: 'chat-find',
  issue: 'wwebjs issue 201789, PR 201792',
  stage: 'synced',
  features: ['group_create', 'group_participants', 'group_requests', 'star', 'revoke', 'chats'],
  isNeeded(page: any) {
    return typeof page.require('WAWebCollections').Chat.findImpl !== 'function';
  },
  apply(page: any) {
    const { Chat } = page.require('WAWebCollections');
    const { createWid } = page.require('WAWebWidFactory');
    const { findOrCreateLatestChat } = page.require('WAWebFindChatAction');
    if (typeof findOrCreateLatestChat !== 'function') throw new Error('There is no findOrCreateLatestChat');
    Chat.find = async (id: any) => {
      const wid = typeof id === 'string' ? createWid(id) : id;
      return Chat.get(wid) ?? (await findOrCreateLatestChat(wid))?.chat;
    };
  },
};
