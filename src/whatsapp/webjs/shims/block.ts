/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * The function that found whom to block is gone; the ones that took its place open a dialog and block nobody. WhatsApp Web
 * now blocks LIDs, and a phone address only where it has a chat. Whom the chat belongs to is looked up by LID.
 * Sources: WAWebBlockContactUtils.getContactToBlockOnlyUseIfNoAssociatedChat (gone), WAWebLidMigrationUtils.toUserLid,
 * WAWebBlockContactAction.blockContact({contact, blockEntryPoint}) and unblockContact(contact, blockEntryPoint).
 */
export const block: Shim = {
  name: 'block',
  issue: 'OpenWA patch-wwebjs-block',
  stage: 'synced',
  features: ['block'],
  isNeeded(page: any) {
    return typeof page.require('WAWebBlockContactUtils').getContactToBlockOnlyUseIfNoAssociatedChat !== 'function';
  },
  apply(page: any) {
    const { Chat, Contact } = page.require('WAWebCollections');
    const { toUserLid } = page.require('WAWebLidMigrationUtils');
    const utils = page.require('WAWebBlockContactUtils');
    const actions = page.require('WAWebBlockContactAction');
    const { blockContact, unblockContact } = actions;
    if (typeof blockContact !== 'function' || typeof unblockContact !== 'function')
      throw new Error('There is no blockContact or unblockContact');

    utils.getContactToBlockOnlyUseIfNoAssociatedChat = (contact: any) => {
      let lid = null;
      try {
        lid = toUserLid(contact.id);
      } catch {
        // An account without a LID is blocked by its phone address.
      }
      return (lid && (Chat.get(lid)?.contact ?? Contact.get(lid))) || contact;
    };
    actions.blockContact = (input: any) => blockContact({ blockEntryPoint: 'ChatListBlock', ...input });
    actions.unblockContact = (contact: any, entryPoint: any = 'ChatListBlock') => unblockContact(contact, entryPoint);
  },
};
