import type { MessageRow, MsgKey, MsgModel, SandboxPage, Stanza, Wid } from './page.ts';

/** What people change about messages afterwards: edits, deletions, reactions, by the modules through which the real page does it. */
export function defineChanges(page: SandboxPage): void {
  interface Edit {
    parentMsg: Record<string, unknown> & { id: MsgKey };
    protocolMsg: Record<string, unknown>;
    editedMsgData: Record<string, unknown>;
    isLatest: boolean;
  }
  interface RevokeRequest {
    revokeMsgKey: MsgKey;
    newMsgKey: MsgKey;
    timestamp: number;
    revokeTimestamp: number;
    subtype: 'sender_revoke' | 'admin_revoke';
    sender: Wid;
  }
  interface ReactionRow {
    key: string;
    parent: string;
    data: Record<string, unknown>;
  }

  /** The message in memory, or as the profile has it. */
  async function messageOf(key: MsgKey): Promise<MsgModel | undefined> {
    const known = page.Msg.get(key);
    if (known) return known;
    const row = await page.database.get<MessageRow>('message', key.toString());
    return row && page.loadMsg(row);
  }

  function targetOf(stanza: Stanza): MsgKey {
    const author = stanza['author'];
    return page.newMsgKey({
      fromMe: stanza['fromMe'],
      remote: page.createWid(stanza['chat']),
      id: stanza['id'],
      ...(author === undefined ? {} : { participant: page.createWid(author) }),
    });
  }

  /** The key of the change itself: changes travel as messages. */
  function changeKeyOf(stanza: Stanza): MsgKey {
    const remote = page.createWid(stanza['chat']);
    const participant = remote.isGroup() ? { participant: page.createWid(stanza['by']) } : {};
    return page.newMsgKey({ fromMe: stanza['byMe'], remote, id: stanza['changeId'], ...participant });
  }

  /** What the page's two halves ask of each other; the real ones may live in a worker and a window. */
  const frontend: Record<string, (data: never) => unknown> = {
    updateEditedMessagesAction: ({ messageEdits }: { messageEdits: Edit[] }) =>
      page
        .require<{ updateEditedMessagesAction(edits: Edit[]): unknown }>('WAWebUpdateEditedMessagesAction')
        .updateEditedMessagesAction(messageEdits),
    deleteMessageFromCollectionForSync({ msgKey }: { msgKey: string }) {
      const msg = page.Msg.get(msgKey);
      if (msg) page.Msg.remove(msg);
    },
  };
  const backend = {
    frontendSendAndReceive: async (name: string, data: unknown) => frontend[name]?.(data as never),
    frontendFireAndForget: (name: string, data: unknown) => void frontend[name]?.(data as never),
  };
  page.define('WAWebBackendApi', backend);

  // ---- edits ----

  page.define('WAWebUpdateEditedMessagesAction', {
    async updateEditedMessagesAction(edits: Edit[]) {
      for (const { parentMsg, editedMsgData } of edits) page.Msg.get(parentMsg.id)?.set(editedMsgData);
    },
  });

  page.stanzas['edit'] = async (stanza) => {
    const msg = await messageOf(targetOf(stanza));
    if (!msg || msg.type === 'revoked') return;
    const parentMsg = { ...msg.serialize(), id: msg.id };
    const latestEditSenderTimestampMs = Number(stanza['atMs']);
    const latestEditMsgKey = changeKeyOf(stanza);
    const isLatest = latestEditSenderTimestampMs > Number(msg['latestEditSenderTimestampMs'] ?? 0);
    if (!isLatest) return;
    const words = msg['mimetype'] === undefined ? 'body' : 'caption';
    const editedMsgData = { latestEditMsgKey, latestEditSenderTimestampMs, [words]: stanza['text'] };
    const protocolMsg = { id: latestEditMsgKey, type: 'protocol', subtype: 'message_edit', protocolMessageKey: msg.id };
    // In memory or not, the profile gets it first, and then the half that shows it.
    const copy = page.newMsg({ ...parentMsg, ...editedMsgData }).hide({ order: msg['order'] }) as MsgModel;
    await page.storeMsg(copy);
    const edit: Edit = { parentMsg, protocolMsg, editedMsgData, isLatest };
    backend.frontendFireAndForget('updateEditedMessagesAction', { messageEdits: [edit] });
  };

  // ---- deletions ----

  /** The deleted message lives on under the key of its deletion, without what it said. */
  async function processRevokeMsgs(requests: RevokeRequest[]): Promise<void> {
    for (const { revokeMsgKey, newMsgKey, subtype, sender, revokeTimestamp } of requests) {
      const msg = await messageOf(revokeMsgKey);
      // The real page asks the same: nobody deletes what another wrote, but a group's admin.
      if (!msg || (subtype === 'sender_revoke' && newMsgKey.fromMe !== revokeMsgKey.fromMe)) continue;
      const { remote, fromMe, participant } = msg.id;
      const id = page.newMsgKey({ fromMe, remote, id: newMsgKey.id, ...(participant ? { participant } : {}) });
      const gone = Object.fromEntries(
        Object.keys(msg.serialize())
          .filter((name) => !['id', 'from', 'to', 'author', 't', 'ack', 'self', 'isNewMsg'].includes(name))
          .map((name) => [name, undefined]),
      );
      const original = msg.id;
      page.Msg.replaceId(original, id);
      page.Chat.get(remote)?.msgs.replaceId(original, id);
      await page.database.remove('message', original.toString());
      msg.set({
        ...gone,
        id,
        type: 'revoked',
        subtype: subtype === 'admin_revoke' ? 'admin' : 'sender',
        revokeSender: sender,
        revokeTimestamp,
        protocolMessageKey: original,
      });
      await page.storeMsg(msg);
    }
  }
  page.define('WAWebDBStoreRevokeMsgs', { processRevokeMsgs });

  page.stanzas['revoke'] = async (stanza) => {
    const revokeMsgKey = targetOf(stanza);
    const sender = page.createWid(stanza['by']);
    const author = stanza['author'] ?? (revokeMsgKey.fromMe ? undefined : stanza['chat']);
    const isAdmin = stanza['byMe'] !== revokeMsgKey.fromMe || (author !== undefined && author !== stanza['by']);
    const seconds = Math.floor(Number(stanza['atMs']) / 1000);
    await page
      .require<{ processRevokeMsgs(requests: RevokeRequest[]): Promise<void> }>('WAWebDBStoreRevokeMsgs')
      .processRevokeMsgs([
        {
          revokeMsgKey,
          newMsgKey: changeKeyOf(stanza),
          timestamp: seconds,
          revokeTimestamp: seconds,
          subtype: isAdmin ? 'admin_revoke' : 'sender_revoke',
          sender,
        },
      ]);
  };

  /** Deleted on the phone for itself alone, which its other devices follow. */
  page.stanzas['remove'] = async (stanza) => {
    const msgKey = targetOf(stanza).toString();
    await backend.frontendSendAndReceive('deleteMessageFromCollectionForSync', { msgKey });
    await page.database.remove('message', msgKey);
  };

  // ---- reactions ----

  const reactionTableMode = {
    async bulkUpsert(reactions: Record<string, unknown>[]) {
      await Promise.all(
        reactions.map((reaction) => {
          const parent = String(reaction['reactionParentKey']);
          const key = `${parent} ${String(reaction['author'] ?? reaction['from'])}`;
          const row: ReactionRow = { key, parent, data: page.encode(reaction) };
          return page.database.put('reaction', key, () => row as unknown as Record<string, unknown>);
        }),
      );
    },
    async bulkGetByParentMsgKey(keys: unknown[]) {
      const wanted = new Set(keys.map(String));
      const rows = await page.database.all<ReactionRow>('reaction');
      return rows.filter(({ parent }) => wanted.has(parent)).map(({ data }) => page.decode(data));
    },
  };
  page.define('WAWebAddonReactionTableMode', { reactionTableMode });

  page.stanzas['react'] = async (stanza) => {
    const id = changeKeyOf(stanza);
    const by = page.createWid(stanza['by']);
    await reactionTableMode.bulkUpsert([
      {
        id,
        type: 'reaction',
        kind: 'reactionDecrypted',
        reactionParentKey: targetOf(stanza),
        reactionText: stanza['text'],
        reactionTimestamp: Number(stanza['atMs']),
        from: by,
        to: id.remote,
        ...(id.remote.isGroup() ? { author: by } : {}),
        t: Math.floor(Number(stanza['atMs']) / 1000),
        ack: 1,
        read: false,
      },
    ]);
  };
}
