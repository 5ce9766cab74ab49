/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { BridgePart, PageMessage } from './records.ts';

/**
 * Runs in the page: tells what arrives as plain fields, and what the linked number writes on other devices; on request what came earlier.
 */
export const receiving: BridgePart = (bridge, page) => {
  const { Msg, Chat } = page.require('WAWebCollections');
  const { report, text } = bridge;
  const silent = new Set([
    'e2e_notification',
    'notification',
    'notification_template',
    'gp2',
    'group_notification',
    'protocol',
    'broadcast_notification',
    'call_log',
    'debug',
    'revoked',
    'ciphertext',
    'reaction',
  ]);
  const chains = new Map<string, Promise<void>>();

  function isForUs(message: any): boolean {
    return (
      // What this page sends itself is local; its acks tell the rest.
      !(message.id.fromMe && message.local) &&
      !silent.has(message.type) &&
      !message.isStatusV3 &&
      text(message.id.remote) !== 'status@broadcast'
    );
  }

  function received(message: any): void {
    if (!isForUs(message)) return;
    const chat = text(message.id.remote);
    const described = describe(message);
    const before = chains.get(chat);
    if (!before && described.senderPhone !== null) return report({ kind: 'message', message: described });

    // The phone behind a LID is asked for first; later messages of the same chat wait, so that the order stays.
    const chain = (before ?? Promise.resolve())
      .then(async () =>
        report({
          kind: 'message',
          message: { ...described, senderPhone: described.senderPhone ?? (await askPhone(described.sender)) },
        }),
      )
      .finally(() => chains.get(chat) === chain && chains.delete(chat));
    chains.set(chat, chain);
  }

  bridge.inOrder = (chat, work) => void (chains.get(chat)?.then(work) ?? work());

  function describe(message: any): PageMessage {
    const chat = text(message.id.remote);
    const sender = text(message.author ?? message.id.participant ?? message.from);
    const hasMedia =
      Boolean(message.directPath || message.mediaData || message.mediaObject) && Boolean(message.mimetype);
    return {
      fromMe: message.id.fromMe,
      ack: message.ack ?? 0,
      waId: message.id.id,
      waKey: text(message.id),
      chat,
      sender,
      senderPhone: message.id.fromMe
        ? (page.require('WAWebUserPrefsMeUser').getMaybeMePnUser()?.user ?? null)
        : knownPhone(sender),
      senderName: message.notifyName || message.senderObj?.pushname || null,
      type: message.type,
      text: hasMedia ? '' : (message.body ?? ''),
      caption: message.caption ?? '',
      mimeType: message.mimetype ?? null,
      filename: message.filename ?? null,
      sizeBytes: message.size ?? null,
      hasMedia,
      t: message.t,
    };
  }

  function knownPhone(sender: string): string | null {
    if (sender.endsWith('@c.us')) return sender.slice(0, sender.indexOf('@'));
    if (!sender.endsWith('@lid')) return null;
    const phone = bridge.alternate(sender);
    return phone ? phone.slice(0, phone.indexOf('@')) : null;
  }

  async function askPhone(sender: string): Promise<string | null> {
    if (!sender.endsWith('@lid')) return null;
    const answer = page.WWebJS.enforceLidAndPnRetrieval(sender).catch(() => null);
    const late = new Promise((resolve) => setTimeout(resolve, 2000, null));
    const result: any = await Promise.race([answer, late]);
    return result?.phone ? text(result.phone).split('@')[0]! : null;
  }

  Msg.on('add', (message: any) => {
    if (!message.isNewMsg) return;
    if (message.type === 'ciphertext') message.once('change:type', () => received(message));
    else received(message);
  });
  // Undecryptable messages are asked for again at the sender, as whatsapp-web.js switches on too.
  try {
    page.require('WAWebSyncGatingUtils').isPlaceholderMessageResendEnabled = () => true;
  } catch {
    // This page has no such switch.
  }

  bridge.chatsSince = (sinceSeconds) => {
    const chats: any[] = Chat.getModelsArray().filter((chat: any) => (chat.t ?? 0) >= sinceSeconds);
    return chats.toSorted((a, b) => a.t - b.t).map((chat) => text(chat.id));
  };

  bridge.receivedSince = async (name, sinceSeconds) => {
    const chat = Chat.getModelsArray().find((one: any) => text(one.id) === name);
    if (!chat) return [];
    const messages = (await bridge.messagesBackTo(chat, sinceSeconds)).filter(isForUs).toSorted((a, b) => a.t - b.t);
    const described = messages.map(describe);
    // WhatsApp may take seconds for each: who is not told by then stays without a phone.
    const untilAt = Date.now() + 5000;
    const phones = new Map<string, string | null>();
    for (const { sender, senderPhone } of described)
      if (senderPhone === null && !phones.has(sender))
        phones.set(sender, Date.now() < untilAt ? await askPhone(sender) : null);
    return described.map((plain) => ({ ...plain, senderPhone: plain.senderPhone ?? phones.get(plain.sender) ?? null }));
  };

  /** After a start a chat holds its last message at most: the page's database has the others. */
  bridge.messagesBackTo = async (chat, sinceSeconds) => {
    const earlier = earlierOnes(chat);
    const known = new Set<string>();
    // Their times are seconds, in which many may have come: only their places tell the order.
    const parts: any[][] = [];
    let loaded: any[] = chat.msgs.getModelsArray();
    for (let round = 0; round < 50; round += 1) {
      parts.unshift(loaded.filter((message) => !known.has(text(message.id))));
      for (const message of loaded) known.add(text(message.id));
      if (loaded.some((message) => message.t < sinceSeconds)) break;
      loaded = await earlier(parts.flat()).catch(() => []);
      if (!loaded?.length) break;
    }
    return parts.flat().filter((message) => message.t >= sinceSeconds);
  };

  /**
   * Pages from 2.3000.1034162388 on may have no loadEarlierMsgs: WAWebDBMessageFindLocal.msgFindByDirection({anchor, count,
   * direction}) gives {messages} as plain data, from a key backwards, or from the end of the chat for an anchor without an id.
   */
  function earlierOnes(chat: any): (found: any[]) => Promise<any[]> {
    const load = member('WAWebChatLoadMessages', 'loadEarlierMsgs');
    if (load) return () => load({ chat });
    const find = member('WAWebDBMessageFindLocal', 'msgFindByDirection');
    if (!find) return () => Promise.resolve([]);
    return async (found) => {
      const oldest = found.reduce((one, other) => (other.t < one.t ? other : one), { t: Infinity });
      const anchor = oldest.id ? page.require('WAWebMsgKey').fromString(text(oldest.id)) : { remote: chat.id };
      const { messages } = await find({ anchor, count: 50, direction: 'before' });
      return messages.map((row: any) => Msg.get(text(row.id)) ?? (row.serialize ? row : new Msg.modelClass(row)));
    };
  }

  function member(module: string, name: string): any {
    try {
      return page.require(module)[name];
    } catch {
      return undefined;
    }
  }
};
