import { isMediaContent, type OutgoingContent } from '../../model/content.ts';
import { reasonOf } from '../../model/errors.ts';
import type { Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { ClientMessage } from '../../whatsapp/client.ts';
import { outlastOutage } from '../outage.ts';

/** Messages as the page takes them, and those whose file is gone. */
interface HandOver {
  ready: ClientMessage[];
  missing: { message: Message; detail: string }[];
}

/** Returns what turns messages into what the page is handed, files included; a database that is away is waited for. */
export function createHandOver(readBase64: (mediaId: string) => Promise<string>, clock: Pick<Clock, 'sleep'>) {
  async function toClientMessage(message: Message, retry: boolean): Promise<ClientMessage> {
    const content = message.content as OutgoingContent;
    const common = { waId: message.waId, chat: message.chat, content, retry };
    if (!isMediaContent(content)) return common;
    return { ...common, mediaBase64: await outlastOutage(clock, () => readBase64(content.media.mediaId)) };
  }

  return async (messages: readonly Message[], isRetry: (message: Message) => boolean): Promise<HandOver> => {
    const result: HandOver = { ready: [], missing: [] };
    for (const message of messages) {
      try {
        result.ready.push(await toClientMessage(message, isRetry(message)));
      } catch (error) {
        result.missing.push({ message, detail: reasonOf(error) });
      }
    }
    return result;
  };
}

const answerTimeoutMs = { text: 60_000, media: 180_000 };

/** Returns how long the page may take to answer for a message. */
export function answerTimeoutOf({ content }: Message): number {
  return isMediaContent(content) ? answerTimeoutMs.media : answerTimeoutMs.text;
}
