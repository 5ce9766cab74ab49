import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { textOf, withText } from '../model/content.ts';
import { reasonOf } from '../model/errors.ts';
import type { EventPayloads, EventType, NewEvent } from '../model/events.ts';
import type { Jid } from '../model/jid.ts';
import type { Message } from '../model/message.ts';
import type { Clock } from '../model/time.ts';
import type { AmendmentStore, Reaction } from '../store/amendments.ts';
import type { Database } from '../store/database.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { Amendment, WhatsAppClient } from '../whatsapp/client.ts';
import type { Announcer } from './announcer.ts';

/** Takes in what people change about messages afterwards: edits, deletions, reactions. Each change is written once, with its event. */
export interface Amendments {
  /** Takes changes that were just made. */
  take(instanceId: string, amendments: Amendment[]): void;
  /** Takes what was changed while the gateway was away. */
  catchUp(instanceId: string, client: WhatsAppClient): Promise<void>;
  /** Resolves when everything taken so far is written. */
  settled(): Promise<void>;
  /** Takes nothing more; what still waits for its message is found again after the next start. */
  close(): Promise<void>;
}

interface AmendmentDeps {
  database: Database;
  store: AmendmentStore;
  instances: Pick<InstanceStore, 'byId'>;
  announcer: Announcer;
  /** Resolves when everything received so far in the chat has been announced: a change comes after what it changes. */
  announced(instanceId: string, chats: Jid[]): Promise<void>;
  clock: Clock;
  log: Logger;
}

/** The changes of one chat that are not written yet. */
interface Lane {
  pending: Amendment[];
  writing: Promise<void>;
}

const batchSize = 256;
const retryDelayMs = 1_000;
/** WhatsApp lets people delete a message for everyone for two days and a half. */
const catchUpMs = 60 * 3_600_000;
const catchUpMessages = 2_000;

/** Returns the taker of changes over all instances. */
export function createAmendments(deps: AmendmentDeps): Amendments {
  const { database, store, instances, announcer, clock, log } = deps;
  const lanes = new Map<string, Lane>();
  /** What the pages of these clients have missed is known; from then on they tell it themselves. */
  const caughtUp = new WeakSet<WhatsAppClient>();
  const writes = new Set<Promise<void>>();
  let closed = false;

  function take(instanceId: string, amendments: Amendment[]): void {
    for (const amendment of amendments) {
      const key = `${instanceId} ${amendment.chats[0]}`;
      const lane = lanes.get(key);
      if (lane) {
        lane.pending.push(amendment);
        continue;
      }
      const fresh: Lane = { pending: [amendment], writing: Promise.resolve() };
      lanes.set(key, fresh);
      fresh.writing = drain(instanceId, key, fresh);
    }
  }

  async function drain(instanceId: string, key: string, lane: Lane): Promise<void> {
    while (lane.pending.length > 0) {
      const batch = lane.pending.slice(0, batchSize);
      await deps.announced(instanceId, [...new Set(batch.flatMap((amendment) => amendment.chats))]);
      if (closed) break;
      const writing = write(instanceId, batch);
      writes.add(writing);
      try {
        await writing;
        lane.pending.splice(0, batch.length);
      } catch (error) {
        log.error(
          { instance: instanceId, count: lane.pending.length, error: reasonOf(error) },
          'changes of messages could not be written: trying again',
        );
        await clock.sleep(retryDelayMs);
      } finally {
        writes.delete(writing);
      }
    }
    // In the same turn in which nothing was left: what comes next begins anew.
    lanes.delete(key);
  }

  async function write(instanceId: string, batch: readonly Amendment[]): Promise<void> {
    const instance = await instances.byId(instanceId);
    if (!instance) return;
    await database.transaction(async (trx) => {
      const waIds = [...new Set(batch.map((amendment) => amendment.waId))];
      const rows = await store.lock(trx, { instanceId, waIds });
      const reactions = await knownReactions(trx, batch, rows);
      const events: NewEvent[] = [];
      for (const amendment of batch) {
        // What the gateway never told of, or told of in another chat, it tells no changes of.
        const row = rows.find((one) => one.waId === amendment.waId && amendment.chats.includes(one.chat));
        const event = row && (await apply(trx, row, amendment, reactions));
        if (event) events.push(event);
      }
      await announcer.enqueue(trx, events);
    });
  }

  async function knownReactions(
    trx: Knex.Transaction,
    batch: readonly Amendment[],
    rows: readonly Message[],
  ): Promise<Map<string, Reaction>> {
    const ids = batch.some(({ type }) => type === 'reacted') ? rows.map((row) => row.id) : [];
    const known = await store.reactions(trx, ids);
    return new Map(known.map((reaction) => [reactionKey(reaction), reaction]));
  }

  /** Writes the change when it is news, and returns the event that tells it; the row is kept up to date for the next one. */
  async function apply(
    trx: Knex.Transaction,
    row: Message,
    amendment: Amendment,
    reactions: Map<string, Reaction>,
  ): Promise<NewEvent | null> {
    if (amendment.type === 'edited') {
      const { text, editedAt } = amendment;
      const previousText = textOf(row.content);
      if (editedAt <= (row.editedAt ?? 0) || text === previousText) return null;
      Object.assign(row, { content: withText(row.content, text), editedAt });
      await store.edit(trx, row.id, { content: row.content, editedAt });
      return event(row, 'message.edited', { messageId: row.id, text, previousText, editedAt });
    }
    if (amendment.type === 'revoked') {
      const { by, sender, senderPhone, revokedAt } = amendment;
      if (row.revokedAt !== undefined) return null;
      row.revokedAt = revokedAt;
      await store.revoke(trx, row.id, revokedAt);
      return event(row, 'message.revoked', { messageId: row.id, by, sender, senderPhone, revokedAt });
    }
    const { sender, senderPhone, fromMe, emoji, reactedAt } = amendment;
    // One person may be known by phone number now and by LID then.
    const reaction: Reaction = { messageId: row.id, sender: senderPhone ?? sender, emoji, reactedAt };
    const before = reactions.get(reactionKey(reaction));
    if (before ? reactedAt <= before.reactedAt || emoji === before.emoji : emoji === '') return null;
    reactions.set(reactionKey(reaction), reaction);
    await store.react(trx, reaction);
    return event(row, 'message.reaction', {
      messageId: row.id,
      emoji: emoji || null,
      previousEmoji: before?.emoji || null,
      sender,
      senderPhone,
      fromMe,
      reactedAt,
    });
  }

  async function catchUp(instanceId: string, client: WhatsAppClient): Promise<void> {
    if (caughtUp.has(client)) return;
    const instance = await instances.byId(instanceId);
    if (!instance) return;
    const untilAt = clock.now();
    const sinceAt = untilAt - catchUpMs;
    const { accountId } = instance;
    const rows = await store.recent({ accountId, instanceId, sinceAt, untilAt, limit: catchUpMessages });
    if (rows.length > 0)
      take(
        instanceId,
        await client.amended(
          rows.map(({ waKey, happenedAt, createdAt }) => ({ waKey, happenedAt: happenedAt ?? createdAt })),
        ),
      );
    caughtUp.add(client);
  }

  async function settled(): Promise<void> {
    while (lanes.size > 0) await Promise.all([...lanes.values()].map((lane) => lane.writing));
  }

  async function close(): Promise<void> {
    closed = true;
    await Promise.allSettled(writes);
  }

  return { take, catchUp, settled, close };
}

function reactionKey({ messageId, sender }: Pick<Reaction, 'messageId' | 'sender'>): string {
  return `${messageId} ${sender}`;
}

function event<T extends EventType>(row: Message, type: T, payload: EventPayloads[T]): NewEvent<T> {
  return { accountId: row.accountId, instanceId: row.instanceId, type, payload, orderKey: row.chat };
}
