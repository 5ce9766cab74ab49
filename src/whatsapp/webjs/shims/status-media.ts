/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * Status updates: the function that says whether a ranking is asked for is gone, and a picture or film is handed over as one
 * object, as plain data under the LID. Sources: WAWebStatusGatingUtils.canCheckStatusRankingPosterGating;
 * WAWebSendStatusMsgAction.sendStatusMediaMsgAction({beforeSend, funnelContext, mediaMsgData}), earlier (msg, update).
 */
export const statusMedia: Shim = {
  name: 'status-media',
  issue: 'wwebjs issue 201807, PR 201816',
  stage: 'synced',
  features: ['status'],
  isNeeded(page: any) {
    return (
      typeof page.require('WAWebStatusGatingUtils').canCheckStatusRankingPosterGating !== 'function' ||
      page.require('WAWebSendStatusMsgAction').sendStatusMediaMsgAction.length === 1
    );
  },
  apply(page: any) {
    const gating = page.require('WAWebStatusGatingUtils');
    gating.canCheckStatusRankingPosterGating ??= () => false;
    const actions = page.require('WAWebSendStatusMsgAction');
    const send = actions.sendStatusMediaMsgAction;
    if (send.length !== 1) return;
    const MsgKey = page.require('WAWebMsgKey');
    const { msgDataFromMsgModel } = page.require('WAWebMsgDataFromModel');
    const { getMaybeMeLidUser } = page.require('WAWebUserPrefsMeUser');

    actions.sendStatusMediaMsgAction = (first: any, ...rest: any[]) => {
      if (first?.mediaMsgData) return send(first, ...rest);
      const data = msgDataFromMsgModel(first);
      const me = getMaybeMeLidUser();
      const { fromMe, remote, id } = first.id;
      const mediaMsgData = me
        ? { ...data, from: me, author: me, id: new MsgKey({ fromMe, remote, id, participant: me }) }
        : data;
      // The file is uploaded already: nothing is left to do before the send.
      return send({ mediaMsgData, beforeSend: async () => undefined, funnelContext: undefined });
    };
  },
};
