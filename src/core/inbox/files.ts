import type { Logger } from 'pino';
import { isMediaContent, type MediaContent, type MediaRef } from '../../model/content.ts';
import { reasonOf, toGatewayError } from '../../model/errors.ts';
import type { Message } from '../../model/message.ts';
import { createSlots } from '../../model/slots.ts';
import { type Clock, withTimeout } from '../../model/time.ts';
import type { ClientFile, WhatsAppClient } from '../../whatsapp/client.ts';
import { outlastOutage } from '../outage.ts';

/** What files of received messages are fetched with. */
export interface FilesDeps {
  storeMedia(input: { accountId: string; file: ClientFile }): Promise<MediaRef>;
  /** Returns the client of a ready instance; throws otherwise. */
  client(instanceId: string): WhatsAppClient;
  clock: Clock;
  log: Logger;
}

/** The fetcher of the files that received messages come with. */
interface Files {
  /** Returns the message with its file, or with the reason why there is none; `media_missing` when there is no room for it. */
  withFile(row: Message): Promise<Message>;
}

const attempts = 3;
const timeoutMs = 45_000;
const pauseMs = 2_000;
const parallelDownloads = 3;

/** Returns the fetcher over all instances, a few files at once. */
export function createFiles({ storeMedia, client, clock, log }: FilesDeps): Files {
  const downloads = createSlots(parallelDownloads);

  async function withFile(row: Message): Promise<Message> {
    try {
      const file = await download(row);
      const media = await outlastOutage(clock, () => storeMedia({ accountId: row.accountId, file }));
      return withContent(row, { media });
    } catch (error) {
      log.warn({ instance: row.instanceId, message: row.waId, error: reasonOf(error) }, 'a file could not be fetched');
      const without = withContent(row, { mediaError: reasonOf(error).slice(0, 250) });
      const isFull = row.direction === 'in' && toGatewayError(error).code === 'storage_full';
      return isFull ? { ...without, reason: 'media_missing' } : without;
    }
  }

  async function download(row: Message): Promise<ClientFile> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await withTimeout(
          client(row.instanceId).downloadMedia(row.waKey),
          timeoutMs,
          'The file did not arrive in time',
        );
      } catch (error) {
        if (attempt >= attempts) throw error;
        await clock.sleep(pauseMs * attempt);
      }
    }
  }

  return { withFile: (row) => downloads.run(() => withFile(row)) };
}

function withContent(row: Message, patch: Partial<MediaContent>): Message {
  return isMediaContent(row.content) ? { ...row, content: { ...row.content, ...patch } } : row;
}
