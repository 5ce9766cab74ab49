/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { BridgePart, PageChange } from './records.ts';

/**
 * Runs in the page: tells edits, deletions and reactions, also those of messages that are not in memory, and on request what was
 * changed about given messages. Model events tell of messages in memory only; the functions of the page that are listened in on here
 * are called for all: updateEditedMessagesAction with edits that the page has checked, the reaction table's bulkUpsert with decrypted
 * reactions, processRevokeMsgs with deletions that it still has to check, so the page's database is asked what became of them.
 */
export const changes: BridgePart = (bridge, page) => {
  const { Msg, Chat } = page.require('WAWebCollections');
  const MsgKey = page.require('WAWebMsgKey');
  const widFactory = page.require('WAWebWidFactory');
  const { text } = bridge;
  const lookUpSize = 200;

  // ---- in the words of the gateway ----

  function addresses(chat: string): string[] {
    const other = chat.endsWith('@c.us') || chat.endsWith('@lid') ? bridge.alternate(chat) : null;
    return other ? [chat, other] : [chat];
  }

  function report(change: PageChange): void {
    bridge.inOrder(change.chats[0]!, () => bridge.report({ kind: 'change', change }));
  }

  function edited(message: any): PageChange | null {
    const at = Number(message.latestEditSenderTimestampMs ?? 0);
    if (!at || message.type === 'revoked') return null;
    const words = message.mimetype ? message.caption : (message.body ?? message.caption);
    return { type: 'edited', waId: message.id.id, chats: addresses(text(message.id.remote)), text: words ?? '', at };
  }

  /** The page keeps a deleted message under the key of its deletion, with the original key beside it (WAWebRevoke). */
  function revoked(message: any): PageChange | null {
    if (message?.type !== 'revoked') return null;
    const key = keyOf(message.protocolMessageKey ?? message.id);
    const by = message.subtype === 'admin' ? 'admin' : 'sender';
    const actor = message.revokeSender ?? (by === 'sender' ? (message.author ?? message.from) : null);
    return {
      type: 'revoked',
      waId: key.id,
      chats: addresses(text(key.remote)),
      by,
      ...personOf(actor),
      at: (message.revokeTimestamp ?? message.t) * 1000,
    };
  }

  function reacted(reaction: any): PageChange | null {
    if (!reaction.reactionParentKey) return null;
    const parent = keyOf(reaction.reactionParentKey);
    const { sender, senderPhone } = personOf(reaction.author ?? reaction.sender ?? reaction.from);
    return sender === null
      ? null
      : {
          type: 'reacted',
          waId: parent.id,
          chats: addresses(text(parent.remote)),
          sender,
          senderPhone,
          fromMe: bridge.isMe(sender),
          emoji: reaction.reactionText ?? '',
          at: Number(reaction.reactionTimestamp),
        };
  }

  function personOf(wid: any): { sender: string | null; senderPhone: string | null } {
    if (!wid) return { sender: null, senderPhone: null };
    const sender = text(wid).replace(/:\d+@/, '@');
    const phone = sender.endsWith('@c.us') ? sender : bridge.alternate(sender);
    return { sender, senderPhone: phone ? phone.slice(0, phone.indexOf('@')) : null };
  }

  const keyOf = (key: any): any => (typeof key === 'string' ? MsgKey.fromString(key) : key);

  function tell(change: PageChange | null): void {
    if (change) report(change);
  }

  // ---- as it happens ----

  /** Calls `seen` with the arguments when the page's own function has done its work; nothing here can disturb it. */
  function listenIn(moduleName: string, path: string[], seen: (...args: any[]) => void): void {
    try {
      let owner = page.require(moduleName);
      for (const name of path.slice(0, -1)) owner = owner[name];
      const name = path.at(-1)!;
      const original = owner[name];
      if (typeof original !== 'function') return;
      owner[name] = function (this: unknown, ...args: any[]) {
        const result = original.apply(this, args);
        Promise.resolve(result).then(
          () => {
            try {
              seen(...args);
            } catch (error) {
              console.error(error);
            }
          },
          () => undefined,
        );
        return result;
      };
    } catch {
      // This page has no such function.
    }
  }

  // Fields are set one after another: they are read when all of them are.
  const settled = (read: (message: any) => PageChange | null) => (message: any) =>
    queueMicrotask(() => tell(read(message)));
  Msg.on('change:latestEditMsgKey', settled(edited));
  Msg.on('change:type', settled(revoked));

  listenIn('WAWebUpdateEditedMessagesAction', ['updateEditedMessagesAction'], (edits: any[]) => {
    for (const { parentMsg, editedMsgData, isLatest } of edits)
      if (isLatest !== false) tell(edited({ ...parentMsg, ...editedMsgData, id: keyOf(parentMsg.id) }));
  });

  listenIn('WAWebAddonReactionTableMode', ['reactionTableMode', 'bulkUpsert'], (reactions: any[]) => {
    for (const reaction of reactions) tell(reacted(reaction));
  });

  async function checkRevokes(requests: any[]): Promise<void> {
    for (const { revokeMsgKey, newMsgKey } of requests)
      tell(revoked(await bridge.lookUp(tombstones(keyOf(revokeMsgKey), keyOf(newMsgKey)))));
  }
  for (const name of ['WAWebDBStoreRevokeMsgs', 'WAWebDBProcessRevokeMsgs'])
    listenIn(name, ['processRevokeMsgs'], (requests: any[]) => void checkRevokes(requests).catch(console.error));

  /** The keys under which a deleted message may be kept. */
  function tombstones(original: any, revoke: any): string[] {
    return addresses(text(original.remote)).map((address) => {
      const remote = widFactory.createWid(address);
      const { fromMe, participant } = original;
      return text(new MsgKey({ fromMe, remote, id: revoke.id, ...(participant ? { participant } : {}) }));
    });
  }

  // Deleted on the phone for itself alone: the one call that says so and nothing else (WAWebDeleteMessageForMeSync).
  listenIn('WAWebBackendApi', ['frontendSendAndReceive'], (name: string, data: any) => {
    if (name !== 'deleteMessageFromCollectionForSync') return;
    const key = keyOf(data.msgKey);
    const chats = addresses(text(key.remote));
    report({ type: 'revoked', waId: key.id, chats, by: 'me', sender: null, senderPhone: null, at: Date.now() });
  });

  // ---- on request ----

  bridge.amended = async (keys) => {
    const found: PageChange[] = [];
    const missing: { waKey: string; t: number }[] = [];
    const present: string[] = [];
    for (let start = 0; start < keys.length; start += lookUpSize) {
      const some = keys.slice(start, start + lookUpSize);
      const messages = await stored(some.flatMap(({ waKey }) => alternates(waKey)));
      for (const key of some) {
        const message = alternates(key.waKey)
          .map((name) => messages.get(name))
          .find(Boolean);
        if (message) present.push(text(message.id));
        else missing.push(key);
        const change = message && (edited(message) ?? revoked(message));
        if (change) found.push(change);
      }
    }
    return [...found, ...(await reactionsTo(present)), ...(await deletedOf(missing))];
  };

  async function stored(keys: string[]): Promise<Map<string, any>> {
    const { messages } = (await Msg.getMessagesById(keys)) ?? { messages: [] };
    return new Map(messages.filter(Boolean).map((message: any) => [text(message.id), message]));
  }

  /** The key itself, and the one it has when its chat has moved to the LID or back. */
  function alternates(waKey: string): string[] {
    const [fromMe, chat, ...rest] = waKey.split('_');
    return addresses(chat!).map((address) => [fromMe, address, ...rest].join('_'));
  }

  async function reactionsTo(keys: string[]): Promise<PageChange[]> {
    try {
      const { reactionTableMode } = page.require('WAWebAddonReactionTableMode');
      const rows: any[] = await reactionTableMode.bulkGetByParentMsgKey(keys.map((key) => MsgKey.fromString(key)));
      return rows.filter(Boolean).flatMap((row) => reacted(row) ?? []);
    } catch {
      return [];
    }
  }

  /** A message that is under its key no more left a mark in its chat when it was deleted for everyone. */
  async function deletedOf(missing: { waKey: string; t: number }[]): Promise<PageChange[]> {
    const chats = new Map<any, { since: number; ids: Set<string> }>();
    for (const { waKey, t } of missing) {
      const [, address, id] = waKey.split('_');
      const chat = addresses(address!).reduce((known: any, name) => known ?? Chat.get(name), null);
      if (!chat) continue;
      const entry = chats.get(chat) ?? { since: t, ids: new Set() };
      entry.since = Math.min(entry.since, t);
      entry.ids.add(id!);
      chats.set(chat, entry);
    }
    const found: PageChange[] = [];
    for (const [chat, { since, ids }] of chats) {
      for (const message of await bridge.messagesBackTo(chat, since)) {
        const change = revoked(message);
        if (change && ids.has(change.waId)) found.push(change);
      }
    }
    return found;
  }
};
