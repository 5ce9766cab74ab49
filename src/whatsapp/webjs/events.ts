import type { CallEnd } from '../../model/events.ts';
import { jidPhone, parseJid } from '../../model/jid.ts';
import type { Amendment, ClientEvent, ReceivedMessage, SendOutcome, SentMessage, Signal } from '../client.ts';
import { decodeContent, mediaTypeOf } from './codec/index.ts';
import type { PageChange, PageMessage, PageRecord, PageSignal } from './page/records.ts';

/** Returns a batch from the page as client events: neighbours of one kind become one event, the order stays. */
export function toClientEvents(records: PageRecord[]): ClientEvent[] {
  const events: ClientEvent[] = [];
  for (const record of records) {
    const event = origins[record.kind](record as never);
    if (event) merge(events, event);
  }
  return events;
}

/** Where each of our events comes from: page record → event. */
const origins: { [K in PageRecord['kind']]: (record: Extract<PageRecord, { kind: K }>) => ClientEvent | null } = {
  accepted: ({ waId, waKey, ack }) => sent({ result: 'accepted', waId, waKey, ack }),
  refused: ({ waId, reason, detail }) => sent({ result: 'refused', waId, reason, detail }),
  error: ({ waId, detail }) => sent({ result: 'error', waId, detail }),
  ack: ({ waId, waKey, ack }) => ({ type: 'acks', acks: [{ waId, waKey, ack } satisfies SentMessage] }),
  failed: ({ waId, waKey, detail }) => ({ type: 'acks', acks: [{ waId, waKey, ack: -1, detail }] }),
  message({ message }) {
    const received = toReceivedMessage(message);
    return received ? { type: 'received', messages: [received] } : null;
  },
  change({ change }) {
    const amendment = toAmendment(change);
    return amendment ? { type: 'amended', amendments: [amendment] } : null;
  },
  signal({ signal }) {
    const told = toSignal(signal);
    return told ? { type: 'signals', signals: [told], dropped: 0 } : null;
  },
  passkey: ({ told }) => ({ type: 'passkey', told }),
  replaced: () => ({ type: 'connection', state: 'CONFLICT' }),
  signals_dropped: ({ count }) => ({ type: 'signals', signals: [], dropped: count }),
};

/** Returns a stanza's signal in the core's words, null when it says nothing to the core. */
function toSignal(signal: PageSignal): Signal | null {
  if (signal.type === 'offline_done')
    return { type: 'offline_sync', phase: 'completed', total: signal.total, kinds: null };
  if (signal.type === 'offline_preview') {
    const { type: _type, total, ...kinds } = signal;
    return { type: 'offline_sync', phase: 'preview', total, kinds };
  }
  if (signal.type === 'picture') {
    const { type, pictureId, t } = signal;
    const chat = parseJid(signal.chat);
    const author = signal.author === null ? null : parseJid(signal.author);
    return chat && { type, chat, author, pictureId, changedAt: t * 1000 };
  }
  const sender = parseJid(signal.sender);
  if (!sender) return null;
  const who = { sender, senderPhone: signal.senderPhone ?? jidPhone(sender) };
  if (signal.type === 'typing') {
    const chat = parseJid(signal.chat);
    return chat && { type: 'typing', chat, state: signal.state, ...who };
  }
  if (signal.type === 'presence') {
    const { isAvailable, lastSeen } = signal;
    return { type: 'presence', isAvailable, lastSeenAt: lastSeen === null ? null : lastSeen * 1000, ...who };
  }
  const { callId, t } = signal;
  if (signal.type === 'call_ended')
    return { type: 'call_ended', callId, reason: callEnds[signal.reason ?? ''] ?? 'hangup', endedAt: t * 1000, ...who };
  const { isVideo, isGroup, platform } = signal;
  const group = signal.group === null ? null : parseJid(signal.group);
  return { type: 'call_offered', callId, isVideo, isGroup, group, platform, offeredAt: t * 1000, ...who };
}

/** WhatsApp's words for the end of a call; without any the caller has hung up. */
const callEnds: Record<string, CallEnd> = {
  timeout: 'timeout',
  busy: 'busy',
  reject: 'decline',
  rejected: 'decline',
  declined: 'decline',
  rejected_elsewhere: 'decline',
  accepted_elsewhere: 'elsewhere',
};

/** Returns a page's change in the core's words, null when its addresses cannot be read. */
export function toAmendment(change: PageChange): Amendment | null {
  const { waId, at } = change;
  const chats = change.chats.map(parseJid).filter((chat) => chat !== null);
  if (chats.length === 0) return null;
  if (change.type === 'edited') return { type: 'edited', waId, chats, text: change.text, editedAt: at };
  const sender = change.sender === null ? null : parseJid(change.sender);
  const { senderPhone } = change;
  if (change.type === 'revoked')
    return { type: 'revoked', waId, chats, by: change.by, sender, senderPhone, revokedAt: at };
  const { emoji, fromMe } = change;
  return sender && { type: 'reacted', waId, chats, sender, senderPhone, fromMe, emoji, reactedAt: at };
}

/** Returns a page message in the core's words, null when its addresses cannot be read. */
export function toReceivedMessage(message: PageMessage): ReceivedMessage | null {
  const chat = parseJid(message.chat);
  const sender = parseJid(message.sender);
  if (!chat || !sender) return null;
  const mediaType = mediaTypeOf(message);
  return {
    ...(message.fromMe ? { fromMe: { ack: message.ack } } : {}),
    waId: message.waId,
    waKey: message.waKey,
    chat,
    sender,
    senderPhone: message.senderPhone,
    senderName: message.senderName,
    content: decodeContent(message),
    hasMedia: mediaType !== null,
    ...(mediaType ? { mediaInfo: mediaInfo(message, mediaType) } : {}),
    happenedAt: message.t * 1000,
  };
}

function mediaInfo(
  message: PageMessage,
  type: NonNullable<ReturnType<typeof mediaTypeOf>>,
): NonNullable<ReceivedMessage['mediaInfo']> {
  return {
    type,
    mimeType: message.mimeType ?? 'application/octet-stream',
    ...(message.filename ? { filename: message.filename } : {}),
    ...(message.sizeBytes === null ? {} : { sizeBytes: message.sizeBytes }),
  };
}

function sent(outcome: SendOutcome): ClientEvent {
  return { type: 'sent', outcomes: [outcome] };
}

/** Appends the event, or its items to the last event when that is of the same kind. */
function merge(events: ClientEvent[], event: ClientEvent): void {
  const last = events.at(-1);
  if (last?.type === 'sent' && event.type === 'sent') last.outcomes.push(...event.outcomes);
  else if (last?.type === 'acks' && event.type === 'acks') last.acks.push(...event.acks);
  else if (last?.type === 'received' && event.type === 'received') last.messages.push(...event.messages);
  else if (last?.type === 'amended' && event.type === 'amended') last.amendments.push(...event.amendments);
  else if (last?.type === 'signals' && event.type === 'signals') {
    last.signals.push(...event.signals);
    last.dropped += event.dropped;
  } else events.push(event);
}
