import type { ChatModel, MessageRow, MsgKey, MsgModel, SandboxPage, Stanza, Wid } from './page.ts';

/** Messages: the model, the collection, what comes in, what is read back from the profile. */
export function defineMessages(page: SandboxPage): void {
  const LOAD_COUNT = 50;
  /** What the library mixes into a message besides the fields of one. The real model takes declared fields only. */
  const NOT_FIELDS = new Set(
    'linkPreview sendAudioAsVoice sendVideoAsGif sendMediaAsSticker sendMediaAsDocument sendMediaAsHd parseVCards quotedMessageId ignoreQuoteErrors waitUntilMsgSent groupMentions renderableUrl mediaStage'.split(
      ' ',
    ),
  );
  let lastOrder = 0;

  /** Stands before every later message, across restarts. */
  function nextOrder(): number {
    lastOrder = Math.max(lastOrder + 1, Date.now() * 1000);
    return lastOrder;
  }

  class Msg extends (page.Model as new (values: Record<string, unknown>) => MsgModel) {
    constructor(values: Record<string, unknown>) {
      if (values['__x_id'] !== undefined)
        throw new Error("Data passed to getter must include an id property (it's how we memoize) but got undefined");
      const own: Record<string, unknown> = {};
      for (const name of Object.keys(values)) {
        const value = values[name];
        if (NOT_FIELDS.has(name)) continue;
        const isPlain = typeof value !== 'object' || value === null || Array.isArray(value) || isKnownObject(value);
        if (typeof value !== 'function' && value !== undefined && isPlain) own[name] = value;
      }
      super(own);
      this.hide({
        order: nextOrder(),
        mediaData: values['directPath'] === undefined ? undefined : mediaDataOf(values),
        mediaObject: values['directPath'] === undefined ? undefined : { filehash: values['filehash'] },
      });
    }

    override updateAck(ack: number): void {
      if (ack > this.ack || ack < 0) this.set({ ack });
    }

    waitForPrep(): Promise<void> {
      return Promise.resolve();
    }

    downloadMedia(): Promise<void> {
      return page.fetchMedia(this);
    }

    canReply(): boolean {
      return true;
    }

    /** What an answer to this message carries. */
    msgContextInfo(): Record<string, unknown> {
      const { type, body, caption, mimetype, filename, pollName } = this;
      const quotedMsg = Object.fromEntries(
        Object.entries({ type, body, caption, mimetype, filename, pollName }).filter(
          ([, value]) => value !== undefined,
        ),
      );
      return {
        quotedMsg,
        quotedStanzaID: this.id.id,
        quotedParticipant: this['author'] ?? (this.id.fromMe ? page.mePn() : this.from),
        quotedRemoteJid: this.id.remote,
      };
    }
  }

  function isKnownObject(value: object): boolean {
    return (
      page.isWid(value) ||
      page.isMsgKey(value) ||
      value instanceof Uint8Array ||
      Object.getPrototypeOf(value) === Object.prototype
    );
  }

  function mediaDataOf(values: Record<string, unknown>): Record<string, unknown> {
    return {
      type: values['type'],
      mimetype: values['mimetype'],
      mediaStage: values['self'] === 'out' ? 'RESOLVED' : 'NEED_POKE',
    };
  }

  page.newMsg = (values) => new Msg(values) as unknown as MsgModel;
  page.Msg = page.newCollection<MsgModel>(Msg as unknown as new (values: Record<string, unknown>) => MsgModel, {
    getMessagesById,
    find: async (id: unknown) => page.Msg.get(id) ?? (await getMessagesById([String(id)])).messages[0],
  });

  function toRow(msg: MsgModel): MessageRow {
    // A message read back from the profile is not a new one.
    const { isNewMsg: _isNewMsg, local: _local, ...kept } = msg.serialize();
    const unsent = msg.id.fromMe && msg.ack === 0 ? { unsent: 1 as const } : {};
    return {
      key: msg.id.toString(),
      chat: String(msg.id.remote),
      order: Number(msg['order']),
      ...unsent,
      data: page.encode(kept),
    };
  }

  function fromRow(row: MessageRow): MsgModel {
    return page.newMsg(page.decode(row.data)).hide({ order: row.order }) as MsgModel;
  }

  /** Stored messages that are not in memory, as the real page loads them: outside the collection. */
  async function getMessagesById(keys: unknown[]): Promise<{ messages: MsgModel[] }> {
    const found = await Promise.all(
      keys.map(async (key) => {
        const row = await page.database.get<MessageRow>('message', String(key));
        return page.Msg.get(key) ?? (row && fromRow(row));
      }),
    );
    return { messages: found.filter((msg) => msg !== undefined) };
  }

  async function loadEarlierMsgs({ chat }: { chat: ChatModel }): Promise<MsgModel[]> {
    const inMemory = chat.msgs.getModelsArray().map((msg) => Number(msg['order']));
    const before = Number(chat['loadedTo'] ?? (inMemory.length > 0 ? Math.min(...inMemory) : Number.MAX_SAFE_INTEGER));
    const rows = (await page.database.earlier(String(chat.id), before, LOAD_COUNT)).toReversed();
    chat.hide({ loadedTo: rows[0]?.order ?? before });
    // As in the real page, what was loaded is in the chat from then on, in its place.
    return chat.msgs.prepend(rows.map((row) => page.Msg.get(row.key) ?? fromRow(row)));
  }
  interface Anchor {
    remote: Wid;
    id?: string;
  }
  /** Gives plain fields, oldest first; an anchor without an id stands after the last message of its chat. */
  async function msgFindByDirection({ anchor, count }: { anchor: Anchor; count: number; direction: 'before' }) {
    const row = anchor.id ? await page.database.get<MessageRow>('message', anchor.toString()) : undefined;
    if (anchor.id && !row) return { messages: [], status: 404 };
    const before = row?.order ?? Number.MAX_SAFE_INTEGER;
    const rows = (await page.database.earlier(String(anchor.remote), before, count)).toReversed();
    return { messages: rows.map(({ data }) => page.decode(data)), status: 200 };
  }
  if (page.config.drift.includes('history-by-direction')) {
    page.define('WAWebChatLoadMessages', {});
    page.define('WAWebDBMessageFindLocal', { msgFindByDirection });
  } else page.define('WAWebChatLoadMessages', { loadEarlierMsgs });

  page.storeMsg = (msg, isUrgent = true) => {
    const row = (): Record<string, unknown> => toRow(msg) as unknown as Record<string, unknown>;
    return page.database[isUrgent ? 'put' : 'putSoon']('message', msg.id.toString(), row);
  };
  page.loadMsg = fromRow;

  function keyOf(stanza: Stanza, chat: Wid): MsgKey {
    const author = stanza['author'];
    return page.newMsgKey({
      fromMe: stanza['fromMe'] === true || stanza.kind === 'receipt',
      remote: chat,
      id: String(stanza['id']),
      ...(author === undefined ? {} : { participant: page.createWid(author) }),
    });
  }

  let preloaded = new Map<string, MessageRow>();
  page.preload = async (stanzas) => {
    const keys = stanzas
      .filter(({ kind }) => kind === 'message' || kind === 'receipt')
      .map((stanza) => keyOf(stanza, chatWid(stanza)).toString())
      .filter((key) => !page.Msg.get(key));
    preloaded = await page.database.many<MessageRow>('message', keys);
  };

  /** The chat a stanza belongs to: the group, or the other person. */
  function chatWid(stanza: Stanza): Wid {
    if (stanza.kind === 'receipt') return page.createWid(stanza['chat']);
    return page.createWid(stanza['fromMe'] === true || stanza['group'] ? stanza['to'] : stanza['from']);
  }

  page.stanzas['message'] = async (stanza) => {
    const { pn, lid, name } = stanza['sender'] as { pn?: string; lid?: string; name?: string };
    const fromMe = stanza['fromMe'] === true;
    const from = page.createWid(stanza['from']);
    const to = page.createWid(stanza['to']);
    const group = stanza['group'] as Record<string, unknown> | undefined;
    const author = stanza['author'] === undefined ? undefined : page.createWid(stanza['author']);
    if (!fromMe) {
      page.learn({ ...(pn && lid ? { pn, lid } : {}), ...(name === undefined ? {} : { name }) });
      if (name !== undefined) page.learn({ [(author ?? from).isLid() ? 'lid' : 'pn']: String(author ?? from), name });
    }
    const key = keyOf(stanza, chatWid(stanza));
    if (page.Msg.get(key) || preloaded.has(key.toString())) return;
    const chat = group ? page.applyGroup(group) : page.chatOf(key.remote);
    const msg = page.newMsg({
      ...page.decode(stanza['content'] as Record<string, unknown>),
      id: key,
      from: group && !fromMe ? to : from,
      to: group && !fromMe ? page.mePn() : to,
      ...(author ? { author } : {}),
      t: Number(stanza['t']),
      ack: 1,
      self: fromMe ? 'out' : 'in',
      isNewMsg: true,
      ...(name === undefined ? {} : { notifyName: name }),
    });
    const stored = page.storeMsg(msg);
    chat.hide({ lastReceivedKey: key });
    page.Msg.add(msg);
    chat.msgs.add(msg);
    chat.set({ t: msg.t, ...(fromMe ? {} : { unreadCount: chat.unreadCount + 1 }) });
    await Promise.all([stored, page.saveChat(chat)]);
  };

  page.stanzas['receipt'] = async (stanza) => {
    const key = keyOf(stanza, chatWid(stanza)).toString();
    const row = preloaded.get(key);
    const msg = page.Msg.get(key) ?? (row && fromRow(row));
    if (!msg) return;
    msg.updateAck(Number(stanza['ack']));
    await page.storeMsg(msg, false);
  };

  page.define('WAWebMsgReply', { canReplyMsg: () => true });
  page.define('WAWebQuotedMsgModelUtils', {
    getQuotedMsgObj(msg: MsgModel) {
      const remote = (msg['quotedRemoteJid'] as Wid | undefined) ?? msg.id.remote;
      const sender = page.createWid(msg['quotedParticipant'] ?? msg.id.remote);
      const fromMe = [page.mePn(), page.meLid()].some((me) => me?.equals(sender));
      const participant = remote.isGroup() ? { participant: sender } : {};
      const id = page.newMsgKey({ fromMe, remote, id: msg['quotedStanzaID'], ...participant });
      return (
        page.Msg.get(id) ??
        page.newMsg({ ...(msg['quotedMsg'] as object), id, from: sender, to: msg.to, t: msg.t, ack: 3 })
      );
    },
  });
  page.define('WAWebMsgDataFromModel', { msgDataFromMsgModel: (msg: MsgModel) => msg.serialize() });
}
