import type { NewEvent } from '../../model/events.ts';
import type { Instance } from '../../model/instance.ts';
import { type Jid, jidServer } from '../../model/jid.ts';
import { type Message, stateOfAck } from '../../model/message.ts';
import type { ReceivedMessage } from '../../whatsapp/client.ts';

/** Returns the row of a message that came; one that waits (for its file, or behind one that does) is `fetching`. */
export function toMessage(input: {
  id: string;
  instance: Instance;
  received: ReceivedMessage;
  mustWait: boolean;
  now: number;
}): Message {
  const { id, instance, received, mustWait, now } = input;
  return {
    id,
    accountId: instance.accountId,
    instanceId: instance.id,
    direction: directionOf(received),
    waId: received.waId,
    waKey: received.waKey,
    chat: received.chat,
    sender: received.sender,
    senderPhone: received.senderPhone,
    senderName: received.senderName,
    content: received.content,
    state: mustWait ? 'fetching' : received.fromMe ? stateOfAck(received.fromMe.ack) : 'received',
    reason: null,
    ack: received.fromMe?.ack ?? 0,
    priority: 1,
    attempts: 0,
    expiresAt: null,
    sendAt: null,
    createdAt: now,
    happenedAt: received.happenedAt,
    ackedAt: null,
  };
}

/** Returns which way a message went: what the linked number wrote on another device went out. */
export function directionOf(message: ReceivedMessage): Message['direction'] {
  return message.fromMe ? 'out' : 'in';
}

/** Returns the event that tells of a message. */
export function arrivalEvent(row: Message): NewEvent<'message.received' | 'message.sent'> {
  return {
    accountId: row.accountId,
    instanceId: row.instanceId,
    type: row.direction === 'in' ? 'message.received' : 'message.sent',
    payload: { messageId: row.id },
    orderKey: row.chat,
  };
}

/** Returns which phones stand behind which LIDs, as far as these messages tell. */
export function lidPairs(batch: ReceivedMessage[]): { lid: Jid; phone: string }[] {
  const pairs = new Map<Jid, string>();
  for (const { sender, senderPhone, fromMe } of batch)
    if (!fromMe && senderPhone && jidServer(sender) === 'lid') pairs.set(sender, senderPhone);
  return [...pairs].map(([lid, phone]) => ({ lid, phone }));
}
