/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Ack } from '../../../model/message.ts';
import type { BridgePart } from './records.ts';

/** Runs in the page: finds messages by id, in memory and in the page's database, under whichever address their chat has now. */
export const lookup: BridgePart = (bridge, page) => {
  const { Msg } = page.require('WAWebCollections');
  const widFactory = page.require('WAWebWidFactory');
  const { text } = bridge;

  bridge.find = async (keys) => {
    const found = [];
    for (const key of keys) {
      const message = await bridge.lookUp(candidates(key));
      if (message) found.push({ waId: key.waId, waKey: text(message.id), ack: (message.ack ?? 0) as Ack });
    }
    return found;
  };

  bridge.lookUp = async (keys) => {
    for (const key of keys) {
      const message = Msg.get(key) ?? (await Msg.getMessagesById([key]))?.messages?.[0];
      if (message) return message;
    }
    return null;
  };

  bridge.alternate = (address) => {
    const contacts = page.require('WAWebApiContact');
    const wid = widFactory.createWid(address);
    const other = address.endsWith('@lid') ? contacts.getPhoneNumber(wid) : contacts.getCurrentLid(wid);
    return other ? text(other) : null;
  };

  bridge.isMe = (address) => {
    const me = page.require('WAWebUserPrefsMeUser');
    return [me.getMaybeMeLidUser(), me.getMaybeMePnUser()].some((own) => own && text(own) === address);
  };

  /** The serialized keys under which a message may be kept: a chat may have moved from the phone number to the LID. */
  function candidates({ waId, chat }: { waId: string; chat: string }): string[] {
    const me = page.require('WAWebUserPrefsMeUser');
    const own = [me.getMaybeMeLidUser(), me.getMaybeMePnUser()].filter(Boolean).map(text);
    if (chat.endsWith('@g.us')) return own.map((participant) => `true_${chat}_${waId}_${participant}`);
    const other = bridge.alternate(chat);
    return [chat, ...(other ? [other] : [])].map((name) => `true_${name}_${waId}`);
  }
};
