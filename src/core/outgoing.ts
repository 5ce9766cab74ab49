import type { OutgoingContent } from '../model/content.ts';
import { idAt, newWaId } from '../model/ids.ts';
import type { Instance } from '../model/instance.ts';
import { type Jid, serializeMessageKey } from '../model/jid.ts';
import type { CampaignSlot, Message, Priority } from '../model/message.ts';

/** Returns a message to be sent, with the WhatsApp id that it will have; it is not stored yet. */
export function newOutgoing(input: {
  id: string;
  instance: Instance;
  chat: Jid;
  content: OutgoingContent;
  priority: Priority;
  /** `scheduled` goes with `sendAt`. */
  state: 'scheduled' | 'queued' | 'sending';
  sendAt?: number | null;
  expiresAt?: number | null;
  campaign?: CampaignSlot;
  now: number;
}): Message {
  const { instance, chat, content, priority, state, now } = input;
  const sendAt = input.sendAt ?? null;
  const waId = newWaId({ nowMs: now, ownId: instance.phone ?? instance.id });
  return {
    // The queue goes by ids: what was to go out first goes out first, whenever it was asked for.
    id: sendAt === null ? input.id : idAt(sendAt, input.id),
    accountId: instance.accountId,
    instanceId: instance.id,
    direction: 'out',
    waId,
    waKey: serializeMessageKey({ fromMe: true, chat, id: waId }),
    chat,
    sender: null,
    senderPhone: null,
    senderName: null,
    content,
    state,
    reason: null,
    ack: 0,
    priority,
    attempts: state === 'sending' ? 1 : 0,
    expiresAt: input.expiresAt ?? null,
    sendAt,
    createdAt: now,
    happenedAt: null,
    ackedAt: null,
    ...(input.campaign ? { campaign: input.campaign } : {}),
  };
}
