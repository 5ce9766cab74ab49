import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { type Content, isMediaContent, type MediaContent, type MediaRef } from '../../model/content.ts';
import { reasonOf, toGatewayError } from '../../model/errors.ts';
import type { Message } from '../../model/message.ts';
import { type Clock, withTimeout } from '../../model/time.ts';
import type { Database } from '../../store/database.ts';
import type { InstanceStore } from '../../store/instances.ts';
import type { MessageStore } from '../../store/messages.ts';
import type { MissingFileStore } from '../../store/missing-files.ts';
import type { ClientFile, WhatsAppClient } from '../../whatsapp/client.ts';
import type { Announcer } from '../announcer.ts';

/** Files that came when the disk was full: their messages were announced without them, and they are fetched later. */
export interface MissingFiles {
  /** Notes that a message waits for its file, in the transaction that announces it. */
  mark(trx: Knex.Transaction, message: Pick<Message, 'id' | 'instanceId'>): Promise<void>;
  /** Fetches what can be had by now; each file is told by an event of its own. */
  tick(): Promise<void>;
}

interface MissingFileDeps {
  database: Database;
  store: MissingFileStore;
  messages: Pick<MessageStore, 'byIds'>;
  instances: Pick<InstanceStore, 'wanted'>;
  announcer: Announcer;
  storeMedia(input: { accountId: string; file: ClientFile }): Promise<MediaRef>;
  /** Returns the client of a ready instance; throws otherwise. */
  client(instanceId: string): Pick<WhatsAppClient, 'downloadMedia'>;
  clock: Pick<Clock, 'now'>;
  log: Logger;
}

/** WhatsApp keeps files for about as long. */
const keptMs = 14 * 86_400_000;
const fetchedAtOnce = 20;
const timeoutMs = 45_000;

/** Returns the keeper of missing files. */
export function createMissingFiles(deps: MissingFileDeps): MissingFiles {
  const { database, store, announcer, clock, log } = deps;
  /** Instances of which nothing waits, so that nothing is asked for them. */
  const complete = new Set<string>();

  /** Returns false when there is still no room. */
  async function fetchLater(client: Pick<WhatsAppClient, 'downloadMedia'>, message: Message): Promise<boolean> {
    try {
      const file = await withTimeout(client.downloadMedia(message.waKey), timeoutMs, 'The file did not arrive in time');
      const media = await deps.storeMedia({ accountId: message.accountId, file });
      await database.transaction(async (trx) => {
        if (!(await store.done(trx, message.id, (content) => withOutcome(content, { media })))) return;
        const { accountId, instanceId, chat } = message;
        const payload = { messageId: message.id };
        await announcer.enqueue(trx, [{ accountId, instanceId, type: 'message.media', payload, orderKey: chat }]);
      });
      log.info({ instance: message.instanceId, message: message.waId }, 'a missing file is there');
    } catch (error) {
      const { code } = toGatewayError(error);
      if (code === 'storage_full' || code === 'unavailable') return false;
      log.warn(
        { instance: message.instanceId, message: message.waId, error: reasonOf(error) },
        'a missing file is lost',
      );
      const mediaError = reasonOf(error).slice(0, 250);
      await database.transaction((trx) =>
        store.done(trx, message.id, (content) => withOutcome(content, { mediaError })),
      );
    }
    return true;
  }

  /** Returns false when there is still no room. */
  async function fetchOf(instanceId: string): Promise<boolean> {
    const client = clientOf(instanceId);
    if (!client) return true;
    const sinceAt = clock.now() - keptMs;
    complete.add(instanceId);
    const ids = await store.waiting({ instanceId, sinceAt, limit: fetchedAtOnce });
    if (ids.length > 0) complete.delete(instanceId);
    for (const message of await deps.messages.byIds(ids))
      if (isMediaContent(message.content) && !(await fetchLater(client, message))) return false;
    return true;
  }

  function clientOf(instanceId: string): Pick<WhatsAppClient, 'downloadMedia'> | null {
    try {
      return deps.client(instanceId);
    } catch {
      return null;
    }
  }

  return {
    async mark(trx, { id, instanceId }) {
      complete.delete(instanceId);
      await store.mark(trx, id);
    },

    async tick() {
      for (const { id } of await deps.instances.wanted()) if (!complete.has(id) && !(await fetchOf(id))) return;
    },
  };
}

/** It may have been edited since it came. */
function withOutcome(content: Content, outcome: Pick<MediaContent, 'media' | 'mediaError'>): Content {
  const { mediaError: _, ...kept } = content as MediaContent;
  return { ...kept, ...outcome };
}
