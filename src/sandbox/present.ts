import type { MediaStore } from './media.ts';
import type { AckLevel } from './records.ts';
import type { NetworkState, StoredMessage } from './state.ts';

/** A message as the phone side of the sandbox sees it. */
export interface SandboxMessage {
  /** The bare message id, as in `3EB0…`. */
  id: string;
  from: string;
  to: string;
  /** The sender's address inside a group. */
  author?: string;
  /** The group's id, when it was written in one. */
  group?: string;
  fromPhone: string;
  /** The phone it went to, unless it went to a group. */
  toPhone?: string;
  /** WhatsApp's type: `chat`, `image`, `ptt`, `document` … */
  type: string;
  text?: string;
  caption?: string;
  media?: { mimeType: string; filename?: string; sizeBytes: number; sha256: string; path: string };
  /** When the server took it in, Unix ms. */
  at: number;
  /** When it last changed (a receipt came), Unix ms. */
  changedAt: number;
  /** How often the same id arrived again. */
  repeats: number;
  /** The level its sender sees: 0 none, 1 server, 2 delivered, 3 read. */
  acks: AckLevel;
  edited?: true;
  /** Deleted for everyone. */
  revoked?: true;
  /** Phones and what they reacted with. */
  reactions: Record<string, string>;
  /** Everything its type carries, in the words of WhatsApp Web. */
  content: Record<string, unknown>;
}

/** Gives a stored message as the phone side sees it. */
export function presentMessage(
  message: StoredMessage,
  { state, media }: { state: NetworkState; media: MediaStore },
): SandboxMessage {
  const { content } = message;
  const text = (name: string): string | undefined => (typeof content[name] === 'string' ? content[name] : undefined);
  const directPath = text('directPath');
  const isGroup = message.to.endsWith('@g.us');
  const toPhone = isGroup ? undefined : state.phoneOf(message.to);
  const body = directPath === undefined ? text('body') : undefined;
  const caption = text('caption');
  const filename = text('filename');
  return {
    id: message.id,
    from: message.from,
    to: message.to,
    ...(message.author === undefined ? {} : { author: message.author }),
    ...(isGroup ? { group: message.to } : {}),
    fromPhone: message.fromPhone,
    ...(toPhone === undefined ? {} : { toPhone }),
    type: content.type,
    ...(body === undefined ? {} : { text: body }),
    ...(caption === undefined ? {} : { caption }),
    ...(directPath === undefined
      ? {}
      : {
          media: {
            mimeType: text('mimetype') ?? 'application/octet-stream',
            ...(filename === undefined ? {} : { filename }),
            sizeBytes: Number(content['size'] ?? 0),
            sha256: Buffer.from(text('filehash') ?? '', 'base64').toString('hex'),
            path: media.fileOf(directPath) ?? '',
          },
        }),
    at: message.at,
    changedAt: message.changedAt,
    repeats: message.repeats,
    acks: message.acks,
    ...(message.edited ? { edited: true as const } : {}),
    ...(message.revoked ? { revoked: true as const } : {}),
    reactions: Object.fromEntries(message.reactions),
    content,
  };
}
