/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Ack } from '../../../model/message.ts';
import type { BridgePart, PageRecord, PageSend } from './records.ts';

/** Runs in the page: sends messages one after another under the ids that the gateway chose, and tells their acks. */
export const sending: BridgePart = (bridge, page) => {
  const { Msg, Chat } = page.require('WAWebCollections');
  const MsgKey = page.require('WAWebMsgKey');
  const widFactory = page.require('WAWebWidFactory');
  const { report, text } = bridge;
  // A message has its place in the chat once it is in the collection; the next one need not wait until it is on disk as well.
  let queue: Promise<unknown> = Promise.resolve();
  const patienceMs = 10_000;
  const mediaPatienceMs = 60_000;
  const previewPatienceMs = 8_000;
  const known = new Set<string>();
  const onAdded = new Map<string, () => void>();
  /** Messages that were refused before they were told as stored. */
  const refusedEarly = new Map<string, () => void>();

  bridge.send = (messages) => {
    for (const message of messages) {
      if (known.has(message.waId)) continue;
      known.add(message.waId);
      queue = queue.then(() => takePlace(message));
    }
  };

  /** Resolves when the message has its place; one that hangs keeps the others waiting no longer than its file could have taken. */
  function takePlace(message: PageSend): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, message.media ? mediaPatienceMs : patienceMs);
      const goOn = () => {
        clearTimeout(timer);
        resolve();
      };
      onAdded.set(message.waId, goOn);
      void sendOne(message).then(goOn);
    });
  }

  Msg.on('add', (message: any) => {
    if (message.id.fromMe) onAdded.get(message.id.id)?.();
  });
  Msg.on('change:ack', (message: any, ack: Ack) => {
    if (message.id.fromMe) report({ kind: 'ack', waId: message.id.id, waKey: text(message.id), ack });
  });

  async function sendOne(message: PageSend): Promise<void> {
    try {
      report(await deliver(message));
    } catch (error: any) {
      report({ kind: 'error', waId: message.waId, detail: bridge.describe(error) });
    } finally {
      known.delete(message.waId);
      onAdded.delete(message.waId);
      refusedEarly.get(message.waId)?.();
      refusedEarly.delete(message.waId);
    }
  }

  bridge.sendFailed = (key, detail) => {
    const tell = () => report({ kind: 'failed', waId: key.id, waKey: text(key), detail });
    if (known.has(key.id)) refusedEarly.set(key.id, tell);
    else tell();
  };

  async function deliver(message: PageSend): Promise<PageRecord> {
    const { waId } = message;
    if (message.retry) {
      const [found] = await bridge.find([{ waId, chat: message.chat }]);
      if (found) return { kind: 'accepted', ...found };
    }
    const wid = widFactory.createWid(message.chat);
    const isPerson = wid.server === 'c.us' || wid.isUser?.();
    if (isPerson && !Chat.get(wid) && (await isUnknown(wid)))
      return { kind: 'refused', waId, reason: 'not_on_whatsapp', detail: `${message.chat} is not on WhatsApp` };
    const chat = await findChat(message.chat, isPerson);
    if (!chat)
      return { kind: 'refused', waId, reason: 'chat_not_found', detail: `WhatsApp Web has no chat ${message.chat}` };

    const key = messageKey(chat, waId);
    const { linkPreview, ...asked } = message.options;
    const options = {
      ...asked,
      ...(message.media ? { media: message.media } : {}),
      ...(linkPreview ? await previewOf(chat, message.text) : {}),
      extraOptions: { id: key },
    };
    try {
      await page.WWebJS.sendMessage(chat, message.text, options);
    } catch (error: any) {
      // The page's own words for a file that it cannot read (WAWebMediaFileErrors), the second for pictures.
      const detail = bridge.describe(error);
      if (!message.media || !/Invalid(Media|Image)FileType/.test(detail)) throw error;
      return { kind: 'refused', waId, reason: 'media_unreadable', detail };
    }
    const stored = Msg.get(text(key));
    if (!stored) throw new Error('WhatsApp Web did not store the message');
    return { kind: 'accepted', waId, waKey: text(key), ack: (stored.ack ?? 0) as Ack };
  }

  /** Returns null when there is none. The page throws for a group that does not exist, or that the number is not in. */
  async function findChat(jid: string, isPerson: boolean): Promise<any> {
    try {
      return await page.WWebJS.getChat(jid, { getAsModel: false });
    } catch (error: any) {
      if (isPerson || !wasAnswered(error)) throw error;
      return null;
    }
  }

  /** A line that is down, and a server that is busy, say nothing about the chat: the message is tried again. */
  function wasAnswered(error: any): boolean {
    const { state, stream } = page.require('WAWebSocketModel').Socket;
    const status = Number(error?.status ?? error?.statusCode ?? 0);
    return state === 'CONNECTED' && stream === 'CONNECTED' && status < 500 && ![408, 429].includes(status);
  }

  /**
   * The fields by which the text shows its link. The page asks the phone for them, or the server about a group's invitation; a text without
   * them is better than none, and than one that waits for a phone that is off.
   */
  async function previewOf(chat: any, words: string): Promise<object> {
    try {
      const link = page.require('WALinkify').findLink(words);
      if (!link) return {};
      const making = page.require('WAWebLinkPreviewChatAction').getLinkPreview(link, chat);
      const late = new Promise((resolve) => setTimeout(resolve, previewPatienceMs, null));
      const { data } = (await Promise.race([making, late])) ?? {};
      return data ? { ...data, preview: true, subtype: 'url' } : {};
    } catch {
      return {};
    }
  }

  /** A page that cannot be asked sends without asking: WhatsApp Web itself refuses what is not there. */
  async function isUnknown(wid: any): Promise<boolean> {
    let ask;
    try {
      ask = page.require('WAWebQueryExistsJob').queryWidExists;
    } catch {
      // Gone: the self-test says so.
    }
    return ask ? !(await ask(wid))?.wid : false;
  }

  /** The key as whatsapp-web.js builds it (Utils.js, sendMessage), but with the id that the gateway chose. */
  function messageKey(chat: any, id: string): any {
    const me = page.require('WAWebUserPrefsMeUser');
    const byLid = chat.id.isLid() || chat.groupMetadata?.isLidAddressingMode;
    const from = byLid ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
    const participant = chat.id.isGroup?.() ? widFactory.asUserWidOrThrow(from) : undefined;
    return new MsgKey({ from, to: chat.id, id, participant, selfDir: 'out' });
  }
};
