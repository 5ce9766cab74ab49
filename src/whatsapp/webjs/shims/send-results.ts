/* oxlint-disable typescript/no-explicit-any -- WhatsApp Web's own objects have no types */
import type { Shim } from './shim.ts';

/**
 * What became of a send comes in a second promise, which nobody waits for: a message that WhatsApp Web could not send stayed
 * "accepted" for ever where no ack told of it. A refusal is told to the bridge; a broken line is not one, since WhatsApp Web
 * sends again by itself. Sources: WAWebSendMsgChatAction.addAndSendMsgToChat → [message, {messageSendResult, ackErrorCode}], where the
 * code is the server's (463: no new chats for now, 475: too many of them, 479: not understood);
 * WAWebSendMsgResultAction.SendMsgResult: OK, ERROR_NETWORK, ERROR_EXPIRED, ERROR_CANCELLED, ERROR_UPLOAD, ERROR_UNKNOWN,
 * ERROR_RATE_LIMIT.
 */
export const sendResults: Shim = {
  name: 'send-results',
  issue: 'OpenWA patch-wwebjs-send-error',
  stage: 'synced',
  features: [],
  isNeeded(page: any) {
    return typeof page.require('WAWebSendMsgChatAction').addAndSendMsgToChat === 'function';
  },
  apply(page: any) {
    const actions = page.require('WAWebSendMsgChatAction');
    const { addAndSendMsgToChat } = actions;
    const passing = new Set(['OK', 'ERROR_NETWORK']);
    actions.addAndSendMsgToChat = (chat: any, message: any, ...rest: any[]) => {
      const promises = addAndSendMsgToChat(chat, message, ...rest);
      Promise.all(promises).then(
        ([stored, { messageSendResult: result, ackErrorCode: code } = {} as any]) => {
          if (!result || passing.has(result)) return;
          page.wapbridge?.sendFailed((stored ?? message).id, code ? `${result}, WhatsApp's code ${code}` : result);
        },
        // A message that was never stored is told by whoever waits for that.
        (error: unknown) =>
          promises[0]
            .then((stored: any) => page.wapbridge?.sendFailed((stored ?? message).id, page.wapbridge.describe(error)))
            .catch(() => undefined),
      );
      return promises;
    };
  },
};
