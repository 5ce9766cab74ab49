import type { ChatModel, MsgModel, SandboxPage } from './page.ts';

/** Sending: a message is stored first, then sent, and sent again after a break until the server has it. */
export function defineSending(page: SandboxPage): void {
  interface SendResult {
    messageSendResult: 'OK' | 'ERROR_NETWORK' | 'ERROR_UNKNOWN';
    t?: number;
    ackErrorCode?: number;
  }
  /** Fields that the receiver's page makes itself. */
  const ENVELOPE = new Set([
    'id',
    'from',
    'to',
    'author',
    't',
    'ack',
    'self',
    'local',
    'isNewMsg',
    'star',
    'notifyName',
  ]);
  const sending = new Map<string, Promise<SendResult>>();

  function contentOf(msg: MsgModel): Record<string, unknown> {
    const content: Record<string, unknown> = {};
    const fields = msg.serialize();
    for (const name of Object.keys(fields)) if (!ENVELOPE.has(name)) content[name] = fields[name];
    return page.encode(content);
  }

  async function transmit(msg: MsgModel): Promise<SendResult> {
    const { participant } = msg.id;
    const settle = (ack: number): Promise<void> => {
      msg.updateAck(ack);
      return page.storeMsg(msg, false);
    };
    try {
      const { t } = await page.network.request<{ t: number }>('send', {
        id: msg.id.id,
        from: String(msg.from),
        to: String(msg.to),
        ...(participant ? { author: String(participant) } : {}),
        content: contentOf(msg),
      });
      void settle(1);
      return { messageSendResult: 'OK', t };
    } catch (error) {
      console.error(error);
      if (!page.config.drift.includes('silent-failures')) void settle(-1);
      return { messageSendResult: 'ERROR_UNKNOWN', ackErrorCode: 463 };
    } finally {
      sending.delete(msg.id.toString());
    }
  }

  /** The real page throws for somebody who is blocked, and nothing else tells of it (WAWebSendMsgRecordAction). */
  function assertNotBlocked({ to }: MsgModel): void {
    const { Blocklist } = page.require<{ Blocklist: typeof page.Chat }>('WAWebCollections');
    if ([to, page.lidFor(to), page.phoneFor(to)].some((wid) => wid && Blocklist.get(wid)))
      throw Object.assign(new Error('Contact is blocked'), { name: 'ContactBlockedError' });
  }

  /** Sends a stored message, once at a time for each id. */
  async function send(msg: MsgModel): Promise<SendResult> {
    assertNotBlocked(msg);
    const key = msg.id.toString();
    const known = sending.get(key);
    if (known) return known;
    const result = transmit(msg);
    sending.set(key, result);
    return result;
  }

  function addAndSendMsgToChat(
    chat: ChatModel,
    message: Record<string, unknown>,
  ): [Promise<MsgModel>, Promise<SendResult>] {
    const msg = page.Msg.add(page.newMsg(message))[0] as MsgModel;
    if (!page.isMsgKey(msg.id)) throw new TypeError('addAndSendMsgToChat: id is not a MsgKey');
    const stored = page.storeMsg(msg).then(() => {
      chat.msgs.add(msg);
      chat.hide({ lastReceivedKey: msg.id });
      chat.set({ t: msg.t });
      void page.saveChat(chat);
      return msg;
    });
    return [stored, stored.then(send)];
  }

  page.sendUnsent = async () => {
    for (const row of await page.database.unsent()) {
      // One model for each message: its receipts and the answer to this sending must not overwrite each other.
      const msg = page.Msg.get(row.key) ?? (page.Msg.add(page.loadMsg(row))[0] as MsgModel);
      // The row may be older than the model: an ack is written a moment after it came.
      if (msg.ack === 0) void send(msg);
    }
  };

  page.define('WAWebSendMsgChatAction', {
    addAndSendMsgToChat,
    resendMsgToChat: (_chat: ChatModel, msg: MsgModel) => send(msg),
  });
  page.define('WAWebGetEphemeralFieldsMsgActionsUtils', { getEphemeralFields: () => ({}) });
}
