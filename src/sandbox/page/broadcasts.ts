import type { ChatModel, MsgKey, MsgModel, SandboxPage, Wid } from './page.ts';

/**
 * Status updates and one channel, so far as the library sends to them; both stay on this device. Shapes as in
 * WAWebSendStatusMsgAction, WAWebStatusGatingUtils, WAWebNewsletterSendMessageJob and WAWebLinkPreviewChatAction.
 */
export function defineBroadcasts(page: SandboxPage): void {
  const CHANNEL = '120363000000000001@newsletter';
  const collections = page.require<Record<string, unknown>>('WAWebCollections');
  const { drift } = page.config;

  // ---- status updates ----

  interface MediaStatus {
    beforeSend: (msg: MsgModel) => Promise<unknown>;
    funnelContext: unknown;
    mediaMsgData: Record<string, unknown> & { id: MsgKey; from: Wid };
  }
  const posted = page.newCollection<MsgModel>(page.Model as never);
  Object.assign(collections['Status'] as object, { getMyStatus: () => ({ msgs: posted }) });

  function post(msg: MsgModel): { messageSendResult: 'OK'; msg: MsgModel } {
    posted.add(msg);
    msg.updateAck(1);
    return { messageSendResult: 'OK', msg };
  }

  async function sendMediaObject(status: MediaStatus): Promise<unknown> {
    const { beforeSend, mediaMsgData } = status;
    const { fromMe, remote, id, participant } = mediaMsgData.id;
    if (!participant?.isLid() || !mediaMsgData.from.isLid()) throw new Error('matWidConvert: not a LID');
    const key = page.newMsgKey({ fromMe, remote, id, participant });
    const msg = page.newMsg({ ...mediaMsgData, id: key });
    await beforeSend(msg);
    return post(msg);
  }

  page.define('WAWebStatusGatingUtils', {
    isStatusResharePosterSideEnabled: () => false,
    ...(drift.includes('status-object') ? {} : { canCheckStatusRankingPosterGating: () => false }),
  });
  page.define('WAWebSendStatusMsgAction', {
    async sendStatusTextMsgAction({ text }: { text: string }) {
      const me = page.mePn();
      const remote = page.createWid('status@broadcast');
      const id = page.newMsgKey({ fromMe: true, remote, id: `3EB0${Date.now()}`, participant: me });
      return post(page.newMsg({ id, type: 'chat', body: text, from: me, to: remote, ack: 0 }));
    },
    sendStatusMediaMsgAction: drift.includes('status-object')
      ? (status: MediaStatus) => sendMediaObject(status)
      : async (msg: MsgModel, update: (msg: MsgModel) => unknown) => {
          await update(msg);
          return post(msg);
        },
  });

  // ---- a channel ----

  const channel = page.chatOf(page.createWid(CHANNEL));
  page.Chat.remove(channel);
  channel.hide({ newsletterMetadata: { membershipType: 'owner' } });
  (collections['WAWebNewsletterCollection'] as typeof page.Chat).add(channel);
  page.define('WAWebNewsletterUpdateMsgsRecordsJob', {
    addNewsletterMsgsRecords: async () => undefined,
    updateNewsletterMsgRecord: async () => undefined,
  });
  page.define('WAWebNewsletterSendMessageJob', {
    sendNewsletterMessageJob: async () => ({
      success: true,
      ack: { t: Math.floor(Date.now() / 1000) },
      serverId: 101,
    }),
  });
  if (drift.includes('channel-previews')) {
    const { getLinkPreview } = page.require<{ getLinkPreview(): Promise<null> }>('WAWebLinkPreviewChatAction');
    page.define('WAWebLinkPreviewChatAction', {
      getLinkPreview: async (link: { href: string }, chat?: ChatModel) =>
        chat?.id.server === 'newsletter' ? { data: { title: `Preview of ${link.href}` } } : getLinkPreview(),
    });
  }
}
