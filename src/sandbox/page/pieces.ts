import type { ChatModel, MsgModel, SandboxPage } from './page.ts';

/** The many small modules that the library asks for and that hold no state of the network. */
export function definePieces(page: SandboxPage): void {
  const anything = { on: () => undefined };
  const empty = (): ReturnType<typeof page.newCollection> =>
    page.newCollection(page.Model as never, { find: async () => undefined });

  page.define('WAWebCollections', {
    Msg: page.Msg,
    Chat: page.Chat,
    Contact: page.require<{ ContactCollection: unknown }>('WAWebContactCollection').ContactCollection,
    GroupMetadata: page.require('WAWebGroupMetadataCollection'),
    Blocklist: empty(),
    BusinessProfile: empty(),
    Label: empty(),
    Presence: empty(),
    ProfilePicThumb: empty(),
    Status: empty(),
    WAWebNewsletterCollection: empty(),
  });

  const LINK = /\bhttps?:\/\/[^\s<>"']+/g;
  const findLinks = (text: unknown): { href: string; text: string }[] =>
    typeof text === 'string' && text.includes('://')
      ? (text.match(LINK) ?? []).map((href) => ({ href, text: href }))
      : [];
  page.define('WALinkify', { findLinks, findLink: (text: unknown) => findLinks(text)[0] });
  page.define('WAWebLinkPreviewChatAction', {
    async getLinkPreview() {
      if (page.config.drift.includes('preview-failures')) throw new Error('no session with the phone');
      return null;
    },
  });

  page.define('WAWebBackendJobsCommon', { mediaTypeFromProtobuf: () => null });
  page.define('WAWebE2EProtoUtils', { typeAttributeFromProtobuf: () => 'text' });
  /** Nothing is kept from this number. */
  page.define('WAWebMexFetchReachoutTimelockJob', { mexFetchReachoutTimelock: async () => null });
  page.define('WAWebMexFetchNewChatMessageCappingInfoJob', { mexFetchNewChatMessageCapping: async () => null });
  page.define('WAWebSyncGatingUtils', { isPlaceholderMessageResendEnabled: () => false });
  page.define('WAWebNonMessageDataRequestPlaceholderMessageResendUtils', {
    handlePlaceholderMsgsSeen: () => undefined,
  });
  page.define('WAWebCallCollection', { ...anything, $calls: new Map() });
  page.define('WAWebAddonPollVoteTableMode', { pollVoteTableMode: { bulkUpsert: async () => undefined } });
  page.define('WAWebMiscBrowserUtils', { info: () => ({ os: 'Linux', name: 'Chrome', version: '120' }) });
  page.define('WAWebUserPrefsUiRefresh', { setUiRefreshNuxAcked: () => undefined });
  page.define('WAWebPhoneUtils', { formattedPhoneNumber: (jid: string) => `+${jid.split('@')[0] ?? ''}` });
  page.define('WAWebBizGatingUtils', {});
  page.define('WAWebMsgActionCapability', {
    canSenderRevokeMsg: (msg: MsgModel) => msg.id.fromMe,
    canAdminRevokeMsg: () => false,
    canEditText: () => false,
    canEditCaption: () => false,
  });

  /** Nobody on this network has a picture or an about text. */
  page.define('WAWebContactProfilePicThumbBridge', { requestProfilePicFromServer: async () => undefined });
  page.define('WAWebContactStatusBridge', {
    getStatus: async () => ({ status: undefined }),
    setMyStatus: async () => undefined,
  });
  page.define('WAWebFindCommonGroupsContactAction', { findCommonGroups: async () => undefined });

  /** Typing and presence are told to nobody: simulated people do not look at them. */
  const told = async (): Promise<void> => undefined;
  page.define('WAWebChatStateBridge', {
    sendChatStateComposing: told,
    sendChatStateRecording: told,
    sendChatStatePaused: told,
  });
  page.define('WAWebPresenceChatAction', { sendPresenceAvailable: told, sendPresenceUnavailable: told });
  page.define('WAWebSetPushnameConnAction', {
    async setPushname(name: string) {
      page.require<{ Conn: { set(values: object): void } }>('WAWebConnModel').Conn.set({ pushname: name });
    },
  });

  const cardName = (vcard: string): string => /^FN[^:\n]*:(.*)$/m.exec(vcard)?.[1]?.trim() ?? '';
  page.define('WAWebVcardParsingUtils', { parseVcard: (vcard: string) => ({ vcard, name: cardName(vcard) }) });
  page.define('WAWebVcardGetNameFromParsed', { vcardGetNameFromParsed: ({ name }: { name: string }) => name });
  page.define('WAWebFrontendVcardUtils', {
    vcardFromContactModel(contact: { id: { user: string }; pushname?: string }) {
      const { user } = contact.id;
      const name = contact.pushname ?? `+${user}`;
      const vcard = `BEGIN:VCARD\nVERSION:3.0\nFN:${name}\nTEL;type=CELL;waid=${user}:+${user}\nEND:VCARD`;
      return { displayName: name, vcard };
    },
  });

  const change = (name: string, toValue: (on: boolean) => unknown) => async (chat: ChatModel, on: boolean) => {
    chat.set({ [name]: toValue(on) });
    await page.saveChat(chat);
  };
  /** Chat settings that stay on this device. */
  page.chatCommands = {
    archiveChat: change('archive', Boolean),
    pinChat: change('pin', (on) => (on ? Date.now() : 0)),
    markChatUnread: change('unreadCount', (on) => (on ? -1 : 0)),
  };
}
