import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { isMediaContent, type MediaContent, type MediaRef } from '../model/content.ts';
import { reasonOf } from '../model/errors.ts';
import type { NewEvent } from '../model/events.ts';
import type { Instance } from '../model/instance.ts';
import { type Jid, jidServer } from '../model/jid.ts';
import type { Message } from '../model/message.ts';
import { type Clock, withTimeout } from '../model/time.ts';
import type { Database } from '../store/database.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { LidStore } from '../store/lids.ts';
import type { MessageStore } from '../store/messages.ts';
import type { ClientFile, ReceivedMessage, WhatsAppClient } from '../whatsapp/client.ts';
import type { Announcer } from './announcer.ts';
import { createSlots } from './slots.ts';

/** Takes messages in: each is written once, with its event and its deliveries, in the order of its chat. */
export interface Inbox {
  /** Takes messages that just arrived. */
  receive(instanceId: string, messages: ReceivedMessage[]): void;
  /** Takes what arrived while the gateway was away, and files that were being fetched when it ended. */
  catchUp(instanceId: string, client: WhatsAppClient): Promise<void>;
  /** Resolves when everything received so far is written. */
  settled(): Promise<void>;
}

interface InboxDeps {
  database: Database;
  messages: MessageStore;
  instances: InstanceStore;
  lids: LidStore;
  announcer: Announcer;
  /** Hears what people write, in the transaction that stores it. */
  listener?: { heard(trx: Knex.Transaction, instance: Instance, received: readonly Message[]): Promise<void> };
  storeMedia(input: { accountId: string; file: ClientFile }): Promise<MediaRef>;
  /** Returns the client of a ready instance; throws otherwise. */
  client(instanceId: string): WhatsAppClient;
  clock: Clock;
  newId: () => string;
  log: Logger;
}

/** What one instance has received and not yet written. */
interface Lane {
  pending: ReceivedMessage[];
  /** Resolves when `pending` is written. */
  writing: Promise<void> | null;
  /** Chats whose last message waits for a file: later ones of the chat wait behind it. */
  chats: Map<Jid, Promise<void>>;
  /** Ids of the rows in those chats. */
  unannounced: Set<string>;
}

const mediaAttempts = 3;
const mediaTimeoutMs = 45_000;
const mediaPauseMs = 2_000;
const parallelDownloads = 3;
const batchSize = 256;
/** Clocks differ and a crash may fall between two messages: the last minutes are looked at again, ids tell what is new. */
const overlapMs = 600_000;

/** Returns the inbox over all instances. */
export function createInbox(deps: InboxDeps): Inbox {
  const { database, messages, instances, lids, announcer, storeMedia, client, clock, newId, log } = deps;
  const lanes = new Map<string, Lane>();
  const downloads = createSlots(parallelDownloads);

  function laneOf(instanceId: string): Lane {
    let lane = lanes.get(instanceId);
    if (!lane) {
      lane = { pending: [], writing: null, chats: new Map(), unannounced: new Set() };
      lanes.set(instanceId, lane);
    }
    return lane;
  }

  function receive(instanceId: string, received: ReceivedMessage[]): void {
    const lane = laneOf(instanceId);
    lane.pending.push(...received);
    lane.writing ??= drain(instanceId, lane).finally(() => (lane.writing = null));
  }

  /** Whatever came while a transaction ran goes into the next one together. */
  async function drain(instanceId: string, lane: Lane): Promise<void> {
    while (lane.pending.length > 0) {
      const batch = lane.pending.slice(0, batchSize);
      try {
        await write(instanceId, lane, batch);
        lane.pending.splice(0, batch.length);
      } catch (error) {
        log.error(
          { instance: instanceId, count: lane.pending.length, error: reasonOf(error) },
          'received messages could not be written: trying again',
        );
        await clock.sleep(1_000);
      }
    }
  }

  async function write(instanceId: string, lane: Lane, batch: ReceivedMessage[]): Promise<void> {
    const instance = await instances.byId(instanceId);
    if (!instance) return;
    const phones = await lids.phones(
      batch.filter((message) => message.senderPhone === null).map((message) => message.sender),
    );
    const waiting: { row: Message; received: ReceivedMessage }[] = [];

    await database.transaction(async (trx) => {
      waiting.length = 0;
      const fresh = await unknownOnes(trx, instanceId, batch);
      const rows = fresh.map((received) => {
        const mustWait =
          received.hasMedia || lane.chats.has(received.chat) || waiting.some(({ row }) => row.chat === received.chat);
        const row = toMessage(
          instance,
          { ...received, senderPhone: received.senderPhone ?? phones.get(received.sender) ?? null },
          mustWait,
        );
        if (mustWait) waiting.push({ row, received });
        return row;
      });
      await messages.insert(rows, trx);
      await deps.listener?.heard(trx, instance, rows);
      await announce(
        trx,
        rows.filter((row) => row.state === 'received'),
      );
      await lids.remember(trx, lidPairs(fresh), clock.now());
      if (fresh.length > 0)
        await instances.update(
          instanceId,
          { lastEventAt: Math.max(instance.lastEventAt ?? 0, ...fresh.map((m) => m.happenedAt)) },
          trx,
        );
    });
    for (const { row, received } of waiting) queueInChat(lane, row, received.hasMedia);
  }

  async function unknownOnes(
    trx: Knex.Transaction,
    instanceId: string,
    batch: ReceivedMessage[],
  ): Promise<ReceivedMessage[]> {
    const unique = [...new Map(batch.map((message) => [message.waId, message])).values()];
    const known = await messages.knownInbound(trx, { instanceId, waIds: unique.map((message) => message.waId) });
    return unique.filter((message) => !known.has(message.waId));
  }

  function toMessage(instance: Instance, received: ReceivedMessage, mustWait: boolean): Message {
    return {
      id: newId(),
      accountId: instance.accountId,
      instanceId: instance.id,
      direction: 'in',
      waId: received.waId,
      waKey: received.waKey,
      chat: received.chat,
      sender: received.sender,
      senderPhone: received.senderPhone,
      senderName: received.senderName,
      content: received.content,
      state: mustWait ? 'fetching' : 'received',
      reason: null,
      ack: 0,
      priority: 1,
      attempts: 0,
      expiresAt: null,
      createdAt: clock.now(),
      happenedAt: received.happenedAt,
      ackedAt: null,
    };
  }

  function announce(trx: Knex.Transaction, rows: Message[]): Promise<void> {
    return announcer.enqueue(trx, rows.map(receivedEvent));
  }

  // ---- files ----

  /** The message is announced when its file is there, or cannot be had; messages of one chat keep their order. */
  function queueInChat(lane: Lane, row: Message, hasMedia: boolean): void {
    lane.unannounced.add(row.id);
    const file = hasMedia ? fetchFile(row) : Promise.resolve(row);
    const turn = Promise.all([file, lane.chats.get(row.chat)])
      .then(([message]) => publish(message))
      .catch((error: unknown) =>
        log.error(
          { instance: row.instanceId, message: row.waKey, error: reasonOf(error) },
          'a received message stays unannounced until the next start',
        ),
      )
      .finally(() => {
        lane.unannounced.delete(row.id);
        if (lane.chats.get(row.chat) === turn) lane.chats.delete(row.chat);
      });
    lane.chats.set(row.chat, turn);
  }

  async function fetchFile(row: Message): Promise<Message> {
    const release = await downloads.take(new AbortController().signal);
    try {
      const file = await download(row);
      const media = await storeMedia({ accountId: row.accountId, file });
      return withContent(row, { media });
    } catch (error) {
      log.warn({ instance: row.instanceId, message: row.waKey, error: reasonOf(error) }, 'a file could not be fetched');
      return withContent(row, { mediaError: reasonOf(error).slice(0, 250) });
    } finally {
      release?.();
    }
  }

  async function download(row: Message): Promise<ClientFile> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await withTimeout(
          client(row.instanceId).downloadMedia(row.waKey),
          mediaTimeoutMs,
          'The file did not arrive in time',
        );
      } catch (error) {
        if (attempt >= mediaAttempts) throw error;
        await clock.sleep(mediaPauseMs * attempt);
      }
    }
  }

  async function publish(row: Message): Promise<void> {
    await database.transaction(async (trx) => {
      await messages.setContent(trx, row.id, row.content);
      await messages.markAnnounced(trx, [row.id]);
      await announce(trx, [row]);
    });
  }

  // ---- after a start ----

  async function catchUp(instanceId: string, page: WhatsAppClient): Promise<void> {
    const instance = await instances.byId(instanceId);
    if (!instance) return;
    const lane = laneOf(instanceId);
    for (const row of await messages.unannounced(instanceId)) {
      if (!lane.unannounced.has(row.id)) queueInChat(lane, row, isMediaContent(row.content));
    }
    if (instance.lastEventAt === null) return instances.update(instanceId, { lastEventAt: clock.now() });
    const missed = await page.receivedSince(instance.lastEventAt - overlapMs);
    if (missed.length > 0) receive(instanceId, missed);
  }

  async function settled(): Promise<void> {
    for (const lane of lanes.values()) await lane.writing;
  }

  return { receive, catchUp, settled };
}

function withContent(row: Message, patch: Partial<MediaContent>): Message {
  return isMediaContent(row.content) ? { ...row, content: { ...row.content, ...patch } } : row;
}

function receivedEvent(row: Message): NewEvent<'message.received'> {
  return {
    accountId: row.accountId,
    instanceId: row.instanceId,
    type: 'message.received',
    payload: { messageId: row.id },
    orderKey: row.chat,
  };
}

function lidPairs(batch: ReceivedMessage[]): { lid: Jid; phone: string }[] {
  const pairs = new Map<Jid, string>();
  for (const { sender, senderPhone } of batch)
    if (senderPhone && jidServer(sender) === 'lid') pairs.set(sender, senderPhone);
  return [...pairs].map(([lid, phone]) => ({ lid, phone }));
}
