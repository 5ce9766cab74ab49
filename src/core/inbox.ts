import type { Knex } from 'knex';
import { isMediaContent } from '../model/content.ts';
import { reasonOf } from '../model/errors.ts';
import type { Instance } from '../model/instance.ts';
import type { Jid } from '../model/jid.ts';
import type { Message } from '../model/message.ts';
import type { Database } from '../store/database.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { LidStore } from '../store/lids.ts';
import type { MessageStore } from '../store/messages.ts';
import type { ReceivedMessage, WhatsAppClient } from '../whatsapp/client.ts';
import type { Announcer } from './announcer.ts';
import { arrivalEvent, directionOf, lidPairs, toMessage } from './inbox/arrivals.ts';
import { createFiles, type FilesDeps } from './inbox/files.ts';
import { createPast, type Past, type PastLimits, usualPastLimits } from './inbox/past.ts';
import type { MissingFiles } from './media/missing-files.ts';
import { outlastOutage } from './outage.ts';

/** Takes messages in: each is written once, with its event and its deliveries, in the order of its chat. */
export interface Inbox {
  /** A new page begins: what arrives in a chat waits until `catchUp` has told what was missed there, 10 s at most. */
  pageBegins(instanceId: string): void;
  /** The page is gone, or has no line: what waits goes on waiting, for the next `catchUp`. */
  pageGone(instanceId: string): void;
  /** Takes messages that just arrived. */
  receive(instanceId: string, messages: ReceivedMessage[]): void;
  /**
   * Takes what arrived while the gateway was away, and files that were being fetched when it ended; resolves when it is written.
   * @throws Error of the page or the database: the next call goes on
   */
  catchUp(instanceId: string, client: WhatsAppClient): Promise<void>;
  /** Tells whether what people wrote before now is known, or was waited for long enough. */
  hasHeard(instanceId: string): boolean;
  /** Resolves when everything received so far in one of these chats has been announced. */
  announced(instanceId: string, chats: Jid[]): Promise<void>;
  /** Resolves when everything received so far is written. */
  settled(): Promise<void>;
  /** Writes what came, but does not wait for a database that is away: what it does not take is looked for by the next start. */
  close(): Promise<void>;
}

interface InboxDeps extends FilesDeps {
  database: Database;
  messages: MessageStore;
  instances: InstanceStore;
  lids: LidStore;
  announcer: Announcer;
  /** Hears what people write, in the transaction that stores it. */
  listener?: { heard(trx: Knex.Transaction, instance: Instance, received: readonly Message[]): Promise<void> };
  /** Takes files for which there is no room; absent: they are given up. */
  missing?: Pick<MissingFiles, 'mark'>;
  /** Hears that `hasHeard` has become true. */
  heard?(instanceId: string): void;
  newId: () => string;
  limits?: PastLimits;
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
  past: Past;
  /** When the newest message was written by WhatsApp, of those that came. */
  newestAt: number;
}

const batchSize = 256;
/** Clocks differ and a crash may fall between two messages: the last minutes are looked at again, ids tell what is new. */
const overlapMs = 600_000;

/** Returns the inbox over all instances. */
export function createInbox(deps: InboxDeps): Inbox {
  const { database, messages, instances, lids, announcer, clock, newId, log, limits = usualPastLimits } = deps;
  const lanes = new Map<string, Lane>();
  const files = createFiles(deps);
  let isClosed = false;

  function laneOf(instanceId: string): Lane {
    let lane = lanes.get(instanceId);
    if (!lane) {
      const past = createPast({ tell: (received) => take(instanceId, received), heard, gaveUp, limits });
      lane = { pending: [], writing: null, chats: new Map(), unannounced: new Set(), past, newestAt: 0 };
      lanes.set(instanceId, lane);
    }
    return lane;

    function heard(isComplete: boolean): void {
      if (!isComplete)
        log.error({ instance: instanceId }, 'what was missed is not known: campaigns wait no longer for it');
      deps.heard?.(instanceId);
    }

    function gaveUp(failures: ReadonlyMap<Jid, unknown>): void {
      const [error] = failures.values();
      log.error(
        { instance: instanceId, chats: [...failures.keys()], error: reasonOf(error) },
        'the page cannot tell what was missed in these chats: it is asked no longer',
      );
    }
  }

  function receive(instanceId: string, received: ReceivedMessage[]): void {
    const { past } = laneOf(instanceId);
    take(
      instanceId,
      received.filter((message) => !past.keeps(message)),
    );
  }

  function take(instanceId: string, received: ReceivedMessage[]): void {
    const lane = laneOf(instanceId);
    lane.pending.push(...received);
    if (lane.pending.length > 0) lane.writing ??= drain(instanceId, lane);
  }

  /** Whatever came while a transaction ran goes into the next one together. */
  async function drain(instanceId: string, lane: Lane): Promise<void> {
    let mayBeWritten = false;
    while (lane.pending.length > 0) {
      const batch = lane.pending.slice(0, batchSize);
      try {
        if (mayBeWritten) await takeUpUnannounced(instanceId, lane);
        mayBeWritten = false;
        await write(instanceId, lane, batch);
        lane.pending.splice(0, batch.length);
      } catch (error) {
        log.error(
          { instance: instanceId, count: lane.pending.length, error: reasonOf(error) },
          'received messages could not be written: trying again',
        );
        // What the database took without saying so is known the next time, and nobody waits for its file.
        mayBeWritten = true;
        if (isClosed) break;
        await clock.sleep(1_000);
      }
    }
    // In the same turn in which nothing was left: what comes next begins anew.
    lane.writing = null;
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
        const senderPhone = received.senderPhone ?? phones.get(received.sender) ?? null;
        const row = toMessage({
          id: newId(),
          instance,
          received: { ...received, senderPhone },
          mustWait,
          now: clock.now(),
        });
        if (mustWait) waiting.push({ row, received });
        return row;
      });
      await messages.insert(rows, trx);
      await deps.listener?.heard(
        trx,
        instance,
        rows.filter((row) => row.direction === 'in'),
      );
      await announce(
        trx,
        rows.filter((row) => row.state !== 'fetching'),
      );
      await lids.remember(trx, lidPairs(fresh), clock.now());
      lane.newestAt = Math.max(lane.newestAt, ...fresh.map((message) => message.happenedAt));
      // Later than what is untold of the past, nobody would look for that.
      if (fresh.length > 0 && lane.past.isTold)
        await instances.update(instanceId, { lastEventAt: Math.max(instance.lastEventAt ?? 0, lane.newestAt) }, trx);
    });
    for (const { row, received } of waiting) queueInChat(lane, row, received.hasMedia);
  }

  async function unknownOnes(
    trx: Knex.Transaction,
    instanceId: string,
    batch: ReceivedMessage[],
  ): Promise<ReceivedMessage[]> {
    const fresh = new Map(batch.map((message) => [`${directionOf(message)} ${message.waId}`, message]));
    for (const direction of ['in', 'out'] as const) {
      const waIds = batch.filter((message) => directionOf(message) === direction).map((message) => message.waId);
      for (const waId of await messages.known(trx, { instanceId, direction, waIds }))
        fresh.delete(`${direction} ${waId}`);
    }
    return [...fresh.values()];
  }

  function announce(trx: Knex.Transaction, rows: Message[]): Promise<void> {
    return announcer.enqueue(trx, rows.map(arrivalEvent));
  }

  // ---- files ----

  /** The message is announced when its file is there, or cannot be had; messages of one chat keep their order. */
  function queueInChat(lane: Lane, row: Message, hasMedia: boolean): void {
    lane.unannounced.add(row.id);
    const file = hasMedia ? files.withFile(row) : Promise.resolve(row);
    const turn = Promise.all([file, lane.chats.get(row.chat)])
      .then(([message]) => outlastOutage(clock, () => publish(message)))
      .catch((error: unknown) =>
        log.error(
          { instance: row.instanceId, message: row.waId, error: reasonOf(error) },
          'a received message stays unannounced until the next start',
        ),
      )
      .finally(() => {
        lane.unannounced.delete(row.id);
        if (lane.chats.get(row.chat) === turn) lane.chats.delete(row.chat);
      });
    lane.chats.set(row.chat, turn);
  }

  async function publish(row: Message): Promise<void> {
    await database.transaction(async (trx) => {
      if (!(await messages.markAnnounced(trx, row))) return;
      if (row.reason === 'media_missing') await deps.missing?.mark(trx, row);
      await announce(trx, [row]);
    });
  }

  // ---- after a start ----

  async function takeUpUnannounced(instanceId: string, lane: Lane): Promise<void> {
    for (const row of await messages.unannounced(instanceId))
      if (!lane.unannounced.has(row.id)) queueInChat(lane, row, isMediaContent(row.content));
  }

  async function catchUp(instanceId: string, page: WhatsAppClient): Promise<void> {
    const lane = laneOf(instanceId);
    const instance = await instances.byId(instanceId);
    if (!instance) return;
    await takeUpUnannounced(instanceId, lane);
    const { lastEventAt } = instance;
    const sinceMs = (lastEventAt ?? 0) - overlapMs;
    await lane.past.ask({
      // What was before a number was linked is not the gateway's.
      chats: async () => (lastEventAt === null ? [] : page.chatsSince(sinceMs)),
      received: (chat) => page.receivedSince(chat, sinceMs),
      async written() {
        await lane.writing;
        await instances.update(instanceId, { lastEventAt: Math.max(lastEventAt ?? clock.now(), lane.newestAt) });
      },
    });
  }

  async function announced(instanceId: string, chats: Jid[]): Promise<void> {
    const lane = lanes.get(instanceId);
    await lane?.past.released;
    await lane?.writing;
    await Promise.all(chats.map((chat) => lane?.chats.get(chat)));
  }

  async function settled(): Promise<void> {
    for (const lane of lanes.values()) await lane.writing;
  }

  return {
    pageBegins: (instanceId) => laneOf(instanceId).past.begin(),
    pageGone: (instanceId) => laneOf(instanceId).past.leave(),
    receive,
    catchUp,
    hasHeard: (instanceId) => laneOf(instanceId).past.isHeard,
    announced,
    settled,
    close() {
      isClosed = true;
      return settled();
    },
  };
}
