import type { Feature, SelfTest, ShimReport } from '../../model/features.ts';
import { shims } from './shims/index.ts';

/**
 * What each feature takes: `Module` or `Module.member.member` of WhatsApp Web, `window.…` for what the library and the
 * gateway put into the page; `a|b` where either will do. Taken from what the library's own calls (1.34.7) and the bridge ask
 * for, so a feature is refused only where its call would fail.
 */
const needs: Record<Feature, readonly string[]> = {
  send_text: [
    'WAWebCollections.Msg.get',
    'WAWebCollections.Msg.getMessagesById',
    'WAWebCollections.Chat.get',
    'WAWebMsgKey.newId',
    'WAWebWidFactory.createWid',
    'WAWebWidFactory.asUserWidOrThrow',
    'WAWebUserPrefsMeUser.getMaybeMePnUser',
    'WAWebUserPrefsMeUser.getMaybeMeLidUser',
    'WAWebChatGetters.getIsNewsletter',
    'WAWebChatGetters.getIsBroadcast',
    'WALinkify.findLink',
    'WAWebFindChatAction.findOrCreateLatestChat',
    'WAWebGetEphemeralFieldsMsgActionsUtils.getEphemeralFields',
    'WAWebSendMsgChatAction.addAndSendMsgToChat',
    'window.WWebJS.sendMessage',
    'window.wapbridge.send',
  ],
  send_media: [
    '=send_text',
    'WAWebMediaOpaqueData.createFromData',
    'WAWebPrepRawMedia.prepRawMedia',
    'WAWebMediaStorage.getOrCreateMediaObject',
    'WAWebMmsMediaTypes.msgToMediaType',
    'WAWebMmsMediaTypes.castToV4',
    'WAWebMediaDataUtils.shouldUseMediaCache',
    'WAWebMediaInMemoryBlobCache.InMemoryMediaBlobCache.put',
    'WAWebMediaMmsV4Upload.uploadMedia',
    'window.WWebJS.processMediaData',
  ],
  send_sticker: [
    '=send_text',
    'WAWebUploadManager.encryptAndUpload',
    'WAWebStartMediaUploadQpl.startMediaUploadQpl',
    'window.WWebJS.processStickerData',
  ],
  link_preview: ['WAWebLinkPreviewChatAction.getLinkPreview'],
  receive: [
    'WAWebCollections.Msg.on',
    'WAWebCollections.Chat.getModelsArray',
    'window.wapbridge.chatsSince',
    'window.wapbridge.receivedSince',
  ],
  acks: ['WAWebCollections.Msg.on', 'window.wapbridge.find'],
  history: ['WAWebChatLoadMessages.loadEarlierMsgs|WAWebDBMessageFindLocal.msgFindByDirection'],
  message_changes: [
    'WAWebCollections.Msg.on',
    'WAWebUpdateEditedMessagesAction.updateEditedMessagesAction',
    'WAWebDBStoreRevokeMsgs.processRevokeMsgs|WAWebDBProcessRevokeMsgs.processRevokeMsgs',
    'WAWebAddonReactionTableMode.reactionTableMode.bulkUpsert',
    'WAWebBackendApi.frontendSendAndReceive',
    'window.wapbridge.amended',
  ],
  download_media: [
    'WAWebCollections.Msg.getMessagesById',
    'WAWebDownloadManager.downloadManager.downloadAndMaybeDecrypt',
    'window.wapbridge.downloadMedia',
  ],
  check_numbers: ['WAWebWidFactory.createWid', 'WAWebQueryExistsJob.queryWidExists', 'window.wapbridge.checkNumber'],
  lid_phones: ['WAWebApiContact.getPhoneNumber', 'WAWebApiContact.getCurrentLid', 'WAWebQueryExistsJob.queryWidExists'],
  restrictions: [
    'WAWebMexFetchReachoutTimelockJob.mexFetchReachoutTimelock|WAWebMexFetchNewChatMessageCappingInfoJob.mexFetchNewChatMessageCapping',
  ],
  pairing_code: [
    'WAWebAltDeviceLinkingApi.setPairingType',
    'WAWebAltDeviceLinkingApi.initializeAltDeviceLinking',
    'WAWebAltDeviceLinkingApi.startAltLinkingFlow',
  ],
  logout: ['WAWebSocketModel.Socket.logout'],
  reactions: ['WAWebCollections.Msg.getMessagesById', 'WAWebSendReactionMsgAction.sendReactionToMsg'],
  edit: [
    'WAWebMsgActionCapability.canEditText',
    'WAWebMsgActionCapability.canEditCaption',
    'WAWebSendMessageEditAction.sendMessageEdit',
  ],
  revoke: [
    'WAWebMsgActionCapability.canSenderRevokeMsg',
    'WAWebMsgActionCapability.canAdminRevokeMsg',
    'WAWebCmd.Cmd.sendRevokeMsgs',
    'WAWebCollections.Chat.find',
  ],
  star: ['WAWebMsgActionCapability.canStarMsg', 'WAWebCmd.Cmd.sendStarMsgs', 'WAWebCmd.Cmd.sendUnstarMsgs'],
  pin: ['WAWebPinMsgConstants.getPinExpiryDuration', 'WAWebSendPinMessageAction.sendPinInChatMsg'],
  forward: ['WAWebChatForwardMessage.forwardMessages'],
  message_info: ['WAWebApiMessageInfoStore.queryMsgInfo'],
  poll_votes: ['WAWebAddonPollVoteTableMode.pollVoteTableMode.bulkUpsert'],
  event_responses: ['WAWebAddonEventResponseTableMode.eventResponseTableMode.bulkUpsert'],
  read_receipts: ['WAWebUpdateUnreadChatAction.sendSeen'],
  typing: [
    'WAWebChatStateBridge.sendChatStateComposing',
    'WAWebChatStateBridge.sendChatStateRecording',
    'WAWebChatStateBridge.sendChatStatePaused',
  ],
  presence: [
    'WAWebPresenceChatAction.sendPresenceAvailable',
    'WAWebPresenceChatAction.sendPresenceUnavailable',
    'WAWebContactPresenceBridge.subscribePresence',
  ],
  contacts: ['WAWebCollections.Contact.find', 'WAWebContactGetters', 'WAWebFrontendContactGetters.getIsMyContact'],
  save_contact: ['WAWebSaveContactAction.saveContactAction', 'WAWebDeleteContactAction.deleteContactAction'],
  block: [
    'WAWebCollections.Contact.find',
    'WAWebBlockContactUtils.getContactToBlockOnlyUseIfNoAssociatedChat',
    'WAWebBlockContactAction.blockContact',
    'WAWebBlockContactAction.unblockContact',
  ],
  profile_picture: [
    'WAWebCollections.ProfilePicThumb.find',
    'WAWebContactProfilePicThumbBridge.requestProfilePicFromServer',
    'WAWebContactProfilePicThumbBridge.sendSetPicture',
    'WAWebContactProfilePicThumbBridge.requestDeletePicture',
  ],
  profile_name: ['WAWebConnModel.Conn.canSetMyPushname', 'WAWebSetPushnameConnAction.setPushname'],
  about: ['WAWebContactStatusBridge.getStatus', 'WAWebContactStatusBridge.setMyStatus'],
  privacy: [
    'WAWebUserPrefsGeneral.getUserPrivacySettings',
    'WAWebSetPrivacyForOneCategoryAction.setPrivacyForOneCategory',
  ],
  chats: ['WAWebCmd.Cmd.archiveChat', 'WAWebCmd.Cmd.pinChat', 'WAWebCmd.Cmd.markChatUnread'],
  group_create: ['WAWebGroupCreateJob.createGroup', 'WAWebQueryExistsJob.queryWidExists'],
  group_participants: [
    'WAWebGroupQueryJob.queryAndUpdateGroupMetadataById',
    'WASmaxGroupsAddParticipantsRPC.sendAddParticipantsRPC',
    'WAWebModifyParticipantsGroupAction.removeParticipants',
    'WAWebModifyParticipantsGroupAction.promoteParticipants',
    'WAWebModifyParticipantsGroupAction.demoteParticipants',
  ],
  group_subject: ['WAWebGroupModifyInfoJob.setGroupSubject'],
  group_description: ['WAWebGroupModifyInfoJob.setGroupDescription'],
  group_settings: ['WAWebSetPropertyGroupAction.setGroupProperty'],
  group_invites: [
    'WAWebMexFetchGroupInviteCodeJob.fetchMexGroupInviteCode',
    'WAWebGroupQueryJob.resetGroupInviteCode',
    'WAWebGroupQueryJob.queryGroupInvite',
    'WAWebGroupInviteJob.joinGroupViaInvite',
  ],
  group_requests: [
    'WAWebApiMembershipApprovalRequestStore.getMembershipApprovalRequests',
    'WASmaxGroupsMembershipRequestsActionRPC.sendMembershipRequestsActionRPC',
  ],
  group_leave: ['WAWebExitGroupAction.sendExitGroup'],
  channels: [
    'WAWebCollections.WAWebNewsletterCollection',
    'WAWebNewsletterUpdateMsgsRecordsJob.addNewsletterMsgsRecords',
    'WAWebNewsletterSendMessageJob.sendNewsletterMessageJob',
    'WAWebMsgDataFromModel.msgDataFromMsgModel',
  ],
  status: [
    'WAWebSendStatusMsgAction.sendStatusTextMsgAction',
    'WAWebSendStatusMsgAction.sendStatusMediaMsgAction',
    'WAWebStatusGatingUtils.canCheckStatusRankingPosterGating',
  ],
  labels: ['WAWebCollections.Label.getModelsArray', 'WAWebCollections.Label.addOrRemoveLabels'],
  calls: ['WAWebCallCollection', 'WAWap.wap', 'WAWap.generateId', 'WADeprecatedSendIq.deprecatedCastStanza'],
  stanzas: ['WAWap.decodeStanza', 'window.wapbridgeTap.seesStanzas'],
};

/** The same with every `=feature` written out. */
const requirements: Record<string, readonly string[]> = Object.fromEntries(
  Object.entries(needs).map(([feature, list]) => [feature, list.flatMap(expand)]),
);

function expand(need: string): readonly string[] {
  return need.startsWith('=') ? needs[need.slice(1) as Feature].flatMap(expand) : [need];
}

/** What the page was asked, and what it had. */
export interface Inspection {
  webVersion: string;
  missing: Record<string, string[]>;
  tookMs: number;
}

/** Returns the script that looks through the page; it changes nothing there. */
export function inspectionScript(only?: readonly Feature[]): string {
  const asked = only ? Object.fromEntries(only.map((feature) => [feature, requirements[feature]])) : requirements;
  return `(${inspect.toString()})(${JSON.stringify(asked)}, window)`;
}

/** Returns the findings with what failed shims take away. */
export function toSelfTest({ webVersion, missing, tookMs }: Inspection, reports: ShimReport[]): SelfTest {
  const lacking = new Map<Feature, string[]>(Object.entries(missing) as [Feature, string[]][]);
  for (const { name, result, error } of reports) {
    if (result !== 'failed') continue;
    for (const feature of shims.find((shim) => shim.name === name)?.features ?? [])
      lacking.set(feature, [...(lacking.get(feature) ?? []), `shim ${name} (${error ?? 'failed'})`]);
  }
  return { webVersion, missing: Object.fromEntries(lacking), shims: reports, tookMs };
}

/* oxlint-disable typescript/no-explicit-any -- runs in the page, whose objects have no types */
function inspect(asked: Record<string, string[]>, page: any): Inspection {
  const startedAt = page.performance.now();
  const modules = new Map<string, any>();
  const verdicts = new Map<string, string | null>();

  function load(name: string): any {
    if (name === 'window') return page;
    if (!modules.has(name)) {
      let found = null;
      try {
        found = page.require(name) ?? null;
      } catch {
        // There is no such module.
      }
      modules.set(name, found);
    }
    return modules.get(name);
  }

  /** The first part of the path that is not there. */
  function gapIn(path: string): string | null {
    const [name, ...members] = path.split('.');
    let place = load(name!);
    if (place === null) return name!;
    let reached = name!;
    for (const member of members) {
      reached += `.${member}`;
      try {
        place = place[member];
      } catch {
        return reached;
      }
      if (place === undefined || place === null) return reached;
    }
    return null;
  }

  function lacking(need: string): string | null {
    if (!verdicts.has(need)) {
      const gaps = need.split('|').map(gapIn);
      verdicts.set(need, gaps.includes(null) ? null : gaps.join(' or '));
    }
    return verdicts.get(need)!;
  }

  const missing: Record<string, string[]> = {};
  for (const [feature, list] of Object.entries(asked)) {
    const gaps = [...new Set(list.map(lacking).filter((gap): gap is string => gap !== null))];
    if (gaps.length > 0) missing[feature] = gaps;
  }
  return { webVersion: page.Debug?.VERSION ?? '', missing, tookMs: Math.round(page.performance.now() - startedAt) };
}
