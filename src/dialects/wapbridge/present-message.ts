import { type Content, isMediaContent, textOf } from '../../model/content.ts';
import { isGroup, jidPhone } from '../../model/jid.ts';
import { type Message, type Priority } from '../../model/message.ts';
import { priorityNames } from './inputs.ts';
import { time } from './present.ts';
import { typeOf } from './present-arrival.ts';

/** Returns a message as `list_messages` and `get_message` show it. */
export function presentMessage(message: Message): object {
  const { content, direction, chat } = message;
  return {
    id: message.waKey,
    instance_id: message.instanceId,
    direction,
    chat_id: chat,
    is_group: isGroup(chat),
    phone_number: jidPhone(chat) ?? (direction === 'in' && !isGroup(chat) ? message.senderPhone : null),
    ...(direction === 'in' && {
      sender: message.sender,
      sender_phone: message.senderPhone,
      sender_name: message.senderName,
    }),
    type: typeOf(content),
    body: textOf(content),
    ...mediaOf(content),
    status: message.state,
    reason: message.reason,
    ack: message.ack,
    ...(direction === 'out' && { priority: nameOf(message.priority), campaign: message.campaign?.campaignId ?? null }),
    created_at: time(message.createdAt),
    send_at: time(message.sendAt),
    expires_at: time(message.expiresAt),
    happened_at: time(message.happenedAt),
    acked_at: time(message.ackedAt),
    edited_at: time(message.editedAt ?? null),
    revoked_at: time(message.revokedAt ?? null),
  };
}

function mediaOf(content: Content): object {
  if (!isMediaContent(content)) return {};
  if (!content.media) return { media: null, media_error: content.mediaError ?? null };
  const { mimeType, filename, sizeBytes } = content.media;
  return { media: { mimetype: mimeType, filename: filename ?? null, size_bytes: sizeBytes } };
}

function nameOf(priority: Priority): string | undefined {
  return Object.entries(priorityNames).find(([, lane]) => lane === priority)?.[0];
}
