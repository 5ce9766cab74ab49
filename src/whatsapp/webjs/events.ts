import { parseJid } from '../../model/jid.ts';
import type { ClientEvent, ReceivedMessage, SendOutcome, SentMessage } from '../client.ts';
import { decodeContent, mediaTypeOf } from './codec/index.ts';
import type { PageMessage, PageRecord } from './page/records.ts';

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
  message({ message }) {
    const received = toReceivedMessage(message);
    return received ? { type: 'received', messages: [received] } : null;
  },
};

/** Returns a page message in the core's words, null when its addresses cannot be read. */
export function toReceivedMessage(message: PageMessage): ReceivedMessage | null {
  const chat = parseJid(message.chat);
  const sender = parseJid(message.sender);
  if (!chat || !sender) return null;
  const mediaType = mediaTypeOf(message);
  return {
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
  else events.push(event);
}
