import type { ChatModel, Model, MsgModel, SandboxPage, Wid } from './page.ts';

/** Chats, groups and their participants. */
export function defineChats(page: SandboxPage): void {
  class Participant extends (page.Model as new (values: Record<string, unknown>) => Model & { id: Wid }) {}

  class GroupMetadata extends (page.Model as new (values: Record<string, unknown>) => Model & { id: Wid }) {
    constructor(values: Record<string, unknown>) {
      const { participants, id, owner, ...rest } = values;
      super({ announce: false, restrict: false, isLidAddressingMode: false, ...rest, id: page.createWid(id) });
      Object.assign(this, { owner: page.createWid(owner), participants: page.newCollection(Participant) });
      this.update({ participants });
    }

    update({ participants, subject }: Record<string, unknown>): void {
      const list = (this as unknown as { participants: ReturnType<typeof page.newCollection<Participant>> })
        .participants;
      for (const { id, isAdmin } of (participants ?? []) as { id: string; isAdmin: boolean }[]) {
        list.add(new Participant({ id: page.createWid(id), isAdmin, isSuperAdmin: isAdmin }));
      }
      if (subject !== undefined) this.set({ subject });
    }

    override serialize(): Record<string, unknown> {
      const { participants, ...rest } = { ...this } as Record<string, unknown>;
      return { ...rest, participants: (participants as { serialize(): unknown }).serialize() };
    }
  }

  class Chat extends (page.Model as new (values: Record<string, unknown>) => ChatModel) {
    constructor(values: Record<string, unknown>) {
      const id = page.createWid(values['id']);
      super({ t: 0, unreadCount: 0, archive: false, pin: 0, muteExpiration: 0, isReadOnly: false, ...values, id });
      this.hide({
        msgs: page.newCollection<MsgModel>(page.Model as never),
        mute: muteOf(this),
        contact: id.isGroup() ? undefined : page.contactOf(id),
        groupMetadata: undefined,
      });
    }

    get formattedTitle(): string {
      const group = this['groupMetadata'] as { subject?: string } | undefined;
      return String(
        group?.subject ?? page.contactOf(this.id)['pushname'] ?? `+${(page.phoneFor(this.id) ?? this.id).user}`,
      );
    }

    iAmAdmin(): boolean {
      const group = this['groupMetadata'] as
        | { participants: { get(id: unknown): { isAdmin?: boolean } | undefined } }
        | undefined;
      return group?.participants.get(page.mePn())?.isAdmin === true;
    }

    /** The real one lists every message; a reader of it only asks whether there are any. */
    override serialize(): Record<string, unknown> {
      return { ...super.serialize(), msgs: this.msgs.length > 0 ? [String(this['lastReceivedKey'])] : [] };
    }
  }

  function muteOf(chat: ChatModel): Record<string, unknown> {
    const mute: Record<string, unknown> = {
      expiration: 0,
      mute: async ({ expiration }: { expiration: number }) => change(expiration),
      unmute: async () => change(0),
    };
    function change(expiration: number): void {
      mute['expiration'] = expiration;
      chat.set({ muteExpiration: expiration });
    }
    return mute;
  }

  page.Chat = page.newCollection<ChatModel>(Chat as unknown as new (values: Record<string, unknown>) => ChatModel, {
    ...(page.config.drift.includes('chat-find-gone')
      ? {}
      : { findImpl: async (id: unknown) => (await findOrCreateLatestChat(page.createWid(id))).chat }),
    /** As the real collections do it: what is not loaded is asked for by `findImpl`, where there is one. */
    async find(this: typeof page.Chat & { findImpl(id: unknown): Promise<ChatModel> }, id: unknown) {
      return this.get(id) ?? this.findImpl(id);
    },
  });
  page.chatOf = (wid, details = {}) =>
    page.Chat.get(wid) ?? (page.Chat.add(new Chat({ ...details, id: wid }) as unknown as ChatModel)[0] as ChatModel);
  function toRow(chat: ChatModel): Record<string, unknown> {
    const { t, unreadCount, archive, pin } = chat;
    const group = chat['groupMetadata'] as Model | undefined;
    const lastReceivedKey = chat['lastReceivedKey'];
    return {
      key: String(chat.id),
      data: page.encode({ t, unreadCount, archive, pin, ...(lastReceivedKey ? { lastReceivedKey } : {}) }),
      ...(group ? { group: JSON.parse(JSON.stringify(group.serialize())) as unknown } : {}),
    };
  }
  page.saveChat = (chat) => page.database.putSoon('chat', String(chat.id), () => toRow(chat));

  const metadata = page.newCollection(GroupMetadata, {
    async update(wid: Wid) {
      page.applyGroup(await page.network.request('group', { id: String(wid) }));
    },
    find: async (wid: Wid) => metadata.get(wid),
  });

  page.applyGroup = (group) => {
    const wid = page.createWid(group['id']);
    const known = metadata.get(wid);
    known?.update(group);
    const chat = page.chatOf(wid);
    chat.hide({ groupMetadata: known ?? metadata.add(new GroupMetadata(group))[0] });
    for (const { id, lid } of (group['participants'] ?? []) as { id: string; lid?: string }[]) {
      if (lid !== undefined) page.learn({ pn: id, lid });
    }
    return chat;
  };

  /** As the real page before the LID migration: a LID without a chat is looked up by its phone, and fails without one. */
  async function findOrCreateLatestChat(wid: Wid): Promise<{ chat: ChatModel; created: boolean }> {
    let id = wid;
    if (page.config.drift.includes('lid-chats') && wid.isRegularUser()) {
      if (!page.lidFor(wid))
        await page.require<{ queryWidExists(wid: Wid): Promise<unknown> }>('WAWebQueryExistsJob').queryWidExists(wid);
      const lid = page.lidFor(wid);
      if (!lid) throw new Error('toUserLidOrThrow: lid not found');
      id = lid;
    } else if (wid.isLid() && !page.Chat.get(wid)) {
      const phone = page.phoneFor(wid);
      if (!phone) {
        throw new Error(
          'findOrCreateLatestChat: could not find phone number for lid while enforcing pre-migration rules',
        );
      }
      id = phone;
    }
    const known = page.Chat.get(id);
    if (known) return { chat: known, created: false };
    if (id.isGroup())
      return { chat: page.applyGroup(await page.network.request('group', { id: String(id) })), created: true };
    return { chat: page.chatOf(id), created: true };
  }
  page.define('WAWebFindChatAction', {
    findOrCreateLatestChat,
    findExistingChat: async (wid: Wid) => page.Chat.get(wid),
  });
  page.define('WAWebGroupQueryJob', {
    queryAndUpdateGroupMetadataById: async ({ id }: { id: string }) =>
      page.applyGroup(await page.network.request('group', { id: String(id) })),
  });
  page.define('WAWebGroupMetadataCollection', metadata);

  async function sendSeen({ chat }: { chat: ChatModel }): Promise<void> {
    if (chat.unreadCount === 0) return;
    chat.set({ unreadCount: 0 });
    void page.saveChat(chat);
    await page.network.request('seen', { chat: String(chat.id) });
  }
  page.define('WAWebUpdateUnreadChatAction', { sendSeen });
  page.define('WAWebChatGetters', {
    getIsNewsletter: (chat: ChatModel) => chat.id.server === 'newsletter',
    getIsBroadcast: (chat: ChatModel) => chat.id.server === 'broadcast',
    getIsGroup: (chat: ChatModel) => chat.id.isGroup(),
  });

  page.stanzas['group'] = (stanza) => page.saveChat(page.applyGroup(stanza['group'] as Record<string, unknown>));
}
