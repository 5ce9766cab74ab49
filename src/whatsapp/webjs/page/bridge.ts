/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Ack } from '../../../model/message.ts';
import type { PageBridge, PageMessage, PageRecord, PageSend } from './records.ts';

/**
 * Runs inside the page (self-contained: it may import nothing). Puts `window.wapbridge` there and reports through one binding,
 * in batches of one turn, in place of the library's own listeners: those make seven calls for one sent message, each answered
 * by an evaluate, and cost two thirds of a send.
 */
export function installBridge(bindingName: string): void {
  const page = window as any;
  if (page.wapbridge) return;
  const collections = page.require('WAWebCollections');
  const { Msg, Chat } = collections;
  const MsgKey = page.require('WAWebMsgKey');
  const widFactory = page.require('WAWebWidFactory');

  // ---- one batch a turn ----
  let batch: PageRecord[] = [];
  const turn = new MessageChannel();
  turn.port1.addEventListener('message', () => {
    const records = batch;
    batch = [];
    page[bindingName](JSON.stringify(records));
  });
  turn.port1.start();
  function report(record: PageRecord): void {
    if (batch.length === 0) turn.port2.postMessage(0);
    batch.push(record);
  }

  /** WhatsApp Web from 2.3000.1043220887 on keeps the serialized id under `$1` instead of `_serialized`. */
  function text(id: any): string {
    return typeof id === 'string' ? id : (id._serialized ?? id.$1 ?? id.toString());
  }

  // ---- sending: one after another ----
  // A message has its place in the chat once it is in the collection; the next one need not wait until it is on disk as well.
  let sending: Promise<unknown> = Promise.resolve();
  const known = new Set<string>();
  const onAdded = new Map<string, () => void>();

  function send(messages: PageSend[]): void {
    for (const message of messages) {
      if (known.has(message.waId)) continue;
      known.add(message.waId);
      sending = sending.then(() => {
        const added = new Promise<void>((resolve) => onAdded.set(message.waId, resolve));
        return Promise.race([added, sendOne(message)]);
      });
    }
  }

  async function sendOne(message: PageSend): Promise<void> {
    try {
      report(await deliver(message));
    } catch (error: any) {
      report({ kind: 'error', waId: message.waId, detail: String(error?.message ?? error).slice(0, 500) });
    } finally {
      known.delete(message.waId);
      onAdded.delete(message.waId);
    }
  }

  async function deliver(message: PageSend): Promise<PageRecord> {
    const { waId } = message;
    if (message.retry) {
      const [found] = await find([{ waId, chat: message.chat }]);
      if (found) return { kind: 'accepted', ...found };
    }
    const wid = widFactory.createWid(message.chat);
    const isPerson = wid.server === 'c.us' || wid.isUser?.();
    if (isPerson && !Chat.get(wid)) {
      const exists = await page.require('WAWebQueryExistsJob').queryWidExists(wid);
      if (!exists?.wid)
        return { kind: 'refused', waId, reason: 'not_on_whatsapp', detail: `${message.chat} is not on WhatsApp` };
    }
    const chat = await page.WWebJS.getChat(message.chat, { getAsModel: false });
    if (!chat)
      return { kind: 'refused', waId, reason: 'chat_not_found', detail: `WhatsApp Web has no chat ${message.chat}` };

    const key = messageKey(chat, waId);
    const options = {
      ...message.options,
      ...(message.media ? { media: message.media } : {}),
      extraOptions: { id: key },
    };
    await page.WWebJS.sendMessage(chat, message.text, options);
    const stored = Msg.get(text(key));
    if (!stored) throw new Error('WhatsApp Web did not store the message');
    return { kind: 'accepted', waId, waKey: text(key), ack: (stored.ack ?? 0) as Ack };
  }

  /** The key as whatsapp-web.js builds it (Utils.js, sendMessage), but with the id that the gateway chose. */
  function messageKey(chat: any, id: string): any {
    const me = page.require('WAWebUserPrefsMeUser');
    const byLid = chat.id.isLid() || chat.groupMetadata?.isLidAddressingMode;
    const from = byLid ? me.getMaybeMeLidUser() : me.getMaybeMePnUser();
    const participant = chat.id.isGroup?.() ? widFactory.asUserWidOrThrow(from) : undefined;
    return new MsgKey({ from, to: chat.id, id, participant, selfDir: 'out' });
  }

  // ---- looking up what was sent ----
  async function find(keys: { waId: string; chat: string }[]): Promise<{ waId: string; waKey: string; ack: Ack }[]> {
    const found = [];
    for (const key of keys) {
      const message = await lookUp(candidates(key));
      if (message) found.push({ waId: key.waId, waKey: text(message.id), ack: (message.ack ?? 0) as Ack });
    }
    return found;
  }

  /** The serialized keys under which a message may be kept: a chat may have moved from the phone number to the LID. */
  function candidates({ waId, chat }: { waId: string; chat: string }): string[] {
    const me = page.require('WAWebUserPrefsMeUser');
    const own = [me.getMaybeMeLidUser(), me.getMaybeMePnUser()].filter(Boolean).map(text);
    if (chat.endsWith('@g.us')) return own.map((participant) => `true_${chat}_${waId}_${participant}`);
    const chats = [chat];
    const other = alternate(chat);
    if (other) chats.push(other);
    return chats.map((name) => `true_${name}_${waId}`);
  }

  function alternate(chat: string): string | null {
    const contacts = page.require('WAWebApiContact');
    const wid = widFactory.createWid(chat);
    const other = chat.endsWith('@lid') ? contacts.getPhoneNumber(wid) : contacts.getCurrentLid(wid);
    return other ? text(other) : null;
  }

  async function lookUp(keys: string[]): Promise<any> {
    for (const key of keys) {
      const message = Msg.get(key) ?? (await Msg.getMessagesById([key]))?.messages?.[0];
      if (message) return message;
    }
    return null;
  }

  // ---- what arrives ----
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
      !message.id.fromMe &&
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

  function describe(message: any): PageMessage {
    const chat = text(message.id.remote);
    const sender = text(message.author ?? message.id.participant ?? message.from);
    const hasMedia =
      Boolean(message.directPath || message.mediaData || message.mediaObject) && Boolean(message.mimetype);
    return {
      waId: message.id.id,
      waKey: text(message.id),
      chat,
      sender,
      senderPhone: knownPhone(sender),
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
    const phone = alternate(sender);
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
    if (message.id.fromMe) onAdded.get(message.id.id)?.();
    if (!message.isNewMsg) return;
    if (message.type === 'ciphertext') message.once('change:type', () => received(message));
    else received(message);
  });
  Msg.on('change:ack', (message: any, ack: Ack) => {
    if (message.id.fromMe) report({ kind: 'ack', waId: message.id.id, waKey: text(message.id), ack });
  });
  // Undecryptable messages are asked for again at the sender, as whatsapp-web.js switches on too.
  page.require('WAWebSyncGatingUtils').isPlaceholderMessageResendEnabled = () => true;

  async function receivedSince(sinceSeconds: number): Promise<PageMessage[]> {
    const messages: any[] = [];
    for (const chat of Chat.getModelsArray()) {
      if ((chat.t ?? 0) < sinceSeconds) continue;
      for (const message of await messagesBackTo(chat, sinceSeconds)) if (isForUs(message)) messages.push(message);
    }
    messages.sort((a, b) => a.t - b.t);
    const described = [];
    for (const message of messages.slice(-5000)) {
      const plain = describe(message);
      described.push({ ...plain, senderPhone: plain.senderPhone ?? (await askPhone(plain.sender)) });
    }
    return described;
  }

  /** After a start a chat holds its last message at most: the page's database has the others. */
  async function messagesBackTo(chat: any, sinceSeconds: number): Promise<any[]> {
    const { loadEarlierMsgs } = page.require('WAWebChatLoadMessages');
    const found = new Map<string, any>();
    let loaded: any[] = chat.msgs.getModelsArray();
    for (let round = 0; round < 50; round += 1) {
      for (const message of loaded) found.set(text(message.id), message);
      if (loaded.some((message) => message.t < sinceSeconds)) break;
      loaded = await loadEarlierMsgs({ chat }).catch(() => null);
      if (!loaded?.length) break;
    }
    return [...found.values()].filter((message) => message.t >= sinceSeconds);
  }

  // ---- questions ----
  async function checkNumber(jid: string): Promise<string | null> {
    const result = await page.require('WAWebQueryExistsJob').queryWidExists(widFactory.createWid(jid));
    return result?.wid ? text(result.wid) : null;
  }

  /** As whatsapp-web.js' downloadMedia, with the `mimetype` that newer pages insist on (issue 201908). */
  async function downloadMedia(waKey: string): ReturnType<PageBridge['downloadMedia']> {
    const message = await lookUp([waKey]);
    if (!message?.mediaData) return { error: 'WhatsApp Web does not know the message any more' };
    if (message.mediaData.mediaStage === 'REUPLOADING') return { error: 'The file has expired at WhatsApp' };
    if (message.mediaData.mediaStage !== 'RESOLVED')
      await message.downloadMedia({ downloadEvenIfExpensive: true, rmrReason: 1 });
    if (String(message.mediaData.mediaStage).includes('ERROR')) return { error: 'WhatsApp could not deliver the file' };
    const quiet = { addAnnotations: () => quiet, addPoint: () => quiet };
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
  }

  function account(): ReturnType<PageBridge['account']> {
    const me = page.require('WAWebUserPrefsMeUser');
    const lid = me.getMaybeMeLidUser();
    return {
      phone: me.getMaybeMePnUser()?.user ?? '',
      lid: lid ? text(lid) : null,
      pushName: page.require('WAWebConnModel').Conn.pushname ?? null,
      webVersion: page.Debug.VERSION,
    };
  }

  const bridge: PageBridge = { send, find, receivedSince, checkNumber, downloadMedia, account };
  page.wapbridge = bridge;
}
