import { type Content, type MediaContent, isMediaContent, textOf } from '../../model/content.ts';
import type { Instance } from '../../model/instance.ts';
import { isGroup } from '../../model/jid.ts';
import type { Message } from '../../model/message.ts';
import type { WebhookFacts } from '../../model/webhook.ts';

/** Returns the body of a message that came in, or that was written on the linked phone. */
export function presentArrival(message: Message, facts: WebhookFacts): object {
  const content = message.content;
  const group = isGroup(message.chat);
  const fromMe = message.direction === 'out';
  const own = ownAddress(facts.instance);
  return {
    message: {
      id: message.waKey,
      from: fromMe ? own : message.chat,
      to: fromMe ? message.chat : own,
      ...(group && message.sender ? { author: message.sender } : {}),
      body: textOf(content),
      fromMe,
      timestamp: Math.floor((message.happenedAt ?? message.createdAt) / 1000),
      type: typeOf(content),
      hasMedia: isMediaContent(content),
      ...(isMediaContent(content) ? mediaFields(content, facts.media ?? null) : {}),
    },
    event: 'message.received',
    sender_phone: message.senderPhone,
    sender_name: message.senderName,
    chat_id: message.chat,
    is_group: group,
  };
}

function mediaFields(content: MediaContent, media: WebhookFacts['media']): object {
  const caption = content.caption === undefined ? {} : { caption: content.caption };
  if (!content.media || !media)
    return { ...caption, media: null, media_error: content.mediaError ?? 'The file is not there any more' };
  const { mimeType, filename } = content.media;
  const file = 'base64' in media ? { data: media.base64 } : { url: media.url };
  return { ...caption, media: { mimetype: mimeType, filename: filename ?? defaultName(content, mimeType), ...file } };
}

/** whatsapp-web.js's own names of message types, which the source uses. */
const typeNames: Record<string, string> = { text: 'chat', voice: 'ptt' };

/** Returns what this API calls a kind of content. */
export function typeOf(content: Content): string {
  return content.type === 'other' ? content.kind : (typeNames[content.type] ?? content.type);
}

/** WhatsApp names documents only; the source shows `photo.jpg` for an image. */
function defaultName(content: MediaContent, mimeType: string): string {
  const subtype = (mimeType.split(';')[0]?.split('/')[1] ?? '').replace(/^x-/, '');
  const extension =
    {
      jpeg: 'jpg',
      mpeg: content.type === 'video' ? 'mpg' : 'mp3',
      plain: 'txt',
      'octet-stream': 'bin',
      quicktime: 'mov',
    }[subtype] ?? subtype;
  const name = content.type === 'image' ? 'photo' : content.type;
  return /^[\w-]{1,10}$/.test(extension) ? `${name}.${extension}` : name;
}

function ownAddress(instance: Instance | undefined): string | null {
  return instance?.phone ? `${instance.phone}@c.us` : null;
}
