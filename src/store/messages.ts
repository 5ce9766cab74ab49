import type { Knex } from 'knex';
import { campaignId, campaignNumber } from '../model/campaign.ts';
import type { Content } from '../model/content.ts';
import type { Jid } from '../model/jid.ts';
import type { Ack, FailureReason, Message, MessageState, Priority } from '../model/message.ts';
import type { Connection, Database } from './database.ts';

/** An ack that arrived: applied only when it moves the message forward. */
export interface AckUpdate {
  waId: string;
  ack: Ack;
  state: MessageState;
  /** The key under which WhatsApp Web keeps the message. */
  waKey: string;
}

export interface MessageStore {
  insert(messages: Message[], connection?: Connection): Promise<void>;
  byId(id: string): Promise<Message | null>;
  byIds(ids: string[]): Promise<Message[]>;
  /** Finds a message of the account by bare WhatsApp id. */
  byWaId(input: { accountId: string; waId: string }): Promise<Message | null>;
  /** Returns which of these WhatsApp ids the instance has already received. */
  knownInbound(trx: Connection, input: { instanceId: string; waIds: string[] }): Promise<Set<string>>;
  /** Takes the next queued messages, most urgent first, and marks them `sending`. */
  claimNext(input: { instanceId: string; limit: number; now: number }): Promise<Message[]>;
  /** Returns messages left in `sending` by a gateway that ended, oldest first. */
  interrupted(instanceId: string): Promise<Message[]>;
  /** Counts another attempt of messages in `sending` and returns them. */
  claimAgain(ids: string[]): Promise<Message[]>;
  /** Returns outgoing messages whose last known ack may be out of date. */
  unsettled(input: { instanceId: string; sinceAt: number; limit: number }): Promise<Message[]>;
  /** Moves messages on when the ack is news; returns the rows that changed. */
  applyAcks(trx: Knex.Transaction, input: { instanceId: string; acks: AckUpdate[]; now: number }): Promise<Message[]>;
  /** Ends outgoing messages that are not accepted yet; returns the rows that changed. */
  finish(
    trx: Knex.Transaction,
    input: { ids: string[]; state: MessageState; reason: FailureReason | null },
  ): Promise<Message[]>;
  setContent(trx: Connection, id: string, content: Content): Promise<void>;
  /** Returns inbound messages whose event has not been written: their file was being fetched when the gateway ended. */
  unannounced(instanceId: string): Promise<Message[]>;
  markAnnounced(trx: Connection, ids: string[]): Promise<void>;
  /** Tells whether the message is still on its way to WhatsApp Web. */
  isSending(connection: Connection, id: string): Promise<boolean>;
  /** Returns the ids of queued messages whose time is over. */
  expired(now: number): Promise<string[]>;
  /** Returns the ids of everything of this instance that is not accepted yet. */
  openIds(instanceId: string): Promise<string[]>;
}

/** Returns the messages table. */
export function createMessageStore(database: Database): MessageStore {
  const { knex } = database;
  const table = (connection: Connection = knex) => connection('messages');
  const read = async (query: Knex.QueryBuilder): Promise<Message[]> => ((await query) as MessageRow[]).map(fromRow);

  async function byIds(ids: string[], connection: Connection = knex): Promise<Message[]> {
    return ids.length === 0 ? [] : read(table(connection).whereIn('id', ids).orderBy('id'));
  }

  return {
    async insert(messages, connection) {
      if (messages.length === 0) return;
      const insert = () => table(connection).insert(messages.map(toRow));
      await (connection ? insert() : database.statement(insert));
    },

    async byId(id) {
      return (await byIds([id]))[0] ?? null;
    },

    byIds: (ids) => byIds(ids),

    async byWaId({ accountId, waId }) {
      const instances = knex('instances').where({ account_id: accountId }).select('id');
      const found = await read(
        table().whereIn('instance_id', instances).whereIn('direction', ['in', 'out']).where({ wa_id: waId }).limit(1),
      );
      return found[0] ?? null;
    },

    async knownInbound(trx, { instanceId, waIds }) {
      const rows = (await table(trx)
        .where({ instance_id: instanceId, direction: 'in' })
        .whereIn('wa_id', waIds)
        .select('wa_id')) as { wa_id: string }[];
      return new Set(rows.map((row) => row.wa_id));
    },

    claimNext: ({ instanceId, limit, now }) =>
      database.transaction(async (trx) => {
        const queued = await read(
          table(trx)
            .where({ instance_id: instanceId, state: 'queued' })
            .where((query) => query.whereNull('expires_at').orWhere('expires_at', '>', now))
            .orderBy('priority')
            .orderBy('id')
            .limit(limit)
            .forUpdate(),
        );
        if (queued.length === 0) return [];
        const ids = queued.map((message) => message.id);
        await table(trx)
          .whereIn('id', ids)
          .where({ state: 'queued' })
          .update({ state: 'sending' })
          .increment('attempts', 1);
        return queued.map((message) => ({ ...message, state: 'sending' as const, attempts: message.attempts + 1 }));
      }),

    interrupted: (instanceId) => read(table().where({ instance_id: instanceId, state: 'sending' }).orderBy('id')),

    async claimAgain(ids) {
      if (ids.length === 0) return [];
      await table().whereIn('id', ids).where({ state: 'sending' }).increment('attempts', 1);
      return byIds(ids);
    },

    unsettled: ({ instanceId, sinceAt, limit }) =>
      read(
        table()
          .where({ instance_id: instanceId })
          .whereIn('state', ['accepted', 'sent'])
          .where('created_at', '>=', sinceAt)
          .orderBy('id', 'desc')
          .limit(limit),
      ),

    async applyAcks(trx, { instanceId, acks, now }) {
      if (acks.length === 0) return [];
      const newest = new Map<string, AckUpdate>();
      for (const ack of acks) if (ack.ack >= (newest.get(ack.waId)?.ack ?? -2)) newest.set(ack.waId, ack);
      const rows = await read(
        table(trx)
          .where({ instance_id: instanceId, direction: 'out' })
          .whereIn('wa_id', [...newest.keys()])
          .forUpdate(),
      );

      const changed = rows.flatMap((message) => {
        const update = newest.get(message.waId);
        if (!update || !isNews(message, update)) return [];
        const { state, ack, waKey } = update;
        return [{ ...message, state, ack, waKey, ackedAt: now, reason: reasonFor(update) }];
      });
      const keys = new Map(rows.map((message) => [message.id, message.waKey]));
      for (const group of groupBy(changed, (message) => message.ack)) {
        const { state, ack, reason } = group[0]!;
        await table(trx)
          .whereIn(
            'id',
            group.map((message) => message.id),
          )
          .update({ state, ack, acked_at: now, reason });
      }
      // A chat that moved to a LID has a new key; that is rare.
      for (const { id, waKey } of changed)
        if (keys.get(id) !== waKey) await table(trx).where({ id }).update({ wa_key: waKey });
      return changed;
    },

    async finish(trx, { ids, state, reason }) {
      const open = await read(
        table(trx).whereIn('id', ids).whereIn('state', ['queued', 'sending', 'uncertain']).forUpdate(),
      );
      if (open.length === 0) return [];
      await table(trx)
        .whereIn(
          'id',
          open.map((message) => message.id),
        )
        .update({ state, reason });
      return open.map((message) => ({ ...message, state, reason }));
    },

    async setContent(trx, id, content) {
      await table(trx)
        .where({ id })
        .update({ content: JSON.stringify(content) });
    },

    unannounced: (instanceId) => read(table().where({ instance_id: instanceId, state: 'fetching' }).orderBy('id')),

    async markAnnounced(trx, ids) {
      await table(trx).whereIn('id', ids).where({ state: 'fetching' }).update({ state: 'received' });
    },

    async isSending(connection, id) {
      const row = (await table(connection).where({ id }).first('state')) as { state: MessageState } | undefined;
      return row?.state === 'sending' || row?.state === 'queued';
    },

    async expired(now) {
      const rows = (await table()
        .where({ state: 'queued' })
        .whereNotNull('expires_at')
        .where('expires_at', '<=', now)
        .limit(500)
        .select('id')) as { id: string }[];
      return rows.map((row) => row.id);
    },

    async openIds(instanceId) {
      const rows = (await table()
        .where({ instance_id: instanceId })
        .whereIn('state', ['queued', 'sending'])
        .select('id')) as { id: string }[];
      return rows.map((row) => row.id);
    },
  };
}

function groupBy<T>(items: T[], keyOf: (item: T) => unknown): T[][] {
  const groups = new Map<unknown, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.values()];
}

/** Acks only move forward; an error counts only while nobody has received the message. */
function isNews(message: Message, update: AckUpdate): boolean {
  if (['queued', 'sending', 'uncertain'].includes(message.state)) return true;
  if (update.ack === -1) return message.state === 'accepted';
  return update.ack > message.ack && ['accepted', 'sent', 'delivered', 'read', 'failed'].includes(message.state);
}

function reasonFor(update: AckUpdate): FailureReason | null {
  return update.ack === -1 ? 'rejected_by_whatsapp' : null;
}

interface MessageRow {
  id: string;
  account_id: string;
  instance_id: string;
  direction: 'in' | 'out';
  wa_id: string;
  wa_key: string;
  chat: Jid;
  sender: Jid | null;
  sender_phone: string | null;
  sender_name: string | null;
  content: string;
  state: MessageState;
  reason: FailureReason | null;
  ack: Ack;
  priority: Priority;
  attempts: number;
  expires_at: number | null;
  created_at: number;
  happened_at: number | null;
  acked_at: number | null;
  campaign_id: number | null;
  lane: number | null;
  seq: number | null;
}

function toRow(message: Message): MessageRow {
  return {
    id: message.id,
    account_id: message.accountId,
    instance_id: message.instanceId,
    direction: message.direction,
    wa_id: message.waId,
    wa_key: message.waKey,
    chat: message.chat,
    sender: message.sender,
    sender_phone: message.senderPhone,
    sender_name: message.senderName?.slice(0, 140) ?? null,
    content: JSON.stringify(message.content),
    state: message.state,
    reason: message.reason,
    ack: message.ack,
    priority: message.priority,
    attempts: message.attempts,
    expires_at: message.expiresAt,
    created_at: message.createdAt,
    happened_at: message.happenedAt,
    acked_at: message.ackedAt,
    campaign_id: message.campaign ? campaignNumber(message.campaign.campaignId) : null,
    lane: message.campaign?.lane ?? null,
    seq: message.campaign?.seq ?? null,
  };
}

function fromRow(row: MessageRow): Message {
  return {
    id: row.id,
    accountId: row.account_id,
    instanceId: row.instance_id,
    direction: row.direction,
    waId: row.wa_id,
    waKey: row.wa_key,
    chat: row.chat,
    sender: row.sender,
    senderPhone: row.sender_phone,
    senderName: row.sender_name,
    content: JSON.parse(row.content) as Content,
    state: row.state,
    reason: row.reason,
    ack: row.ack,
    priority: row.priority,
    attempts: row.attempts,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
    happenedAt: row.happened_at,
    ackedAt: row.acked_at,
    ...(row.campaign_id === null
      ? {}
      : { campaign: { campaignId: campaignId(row.campaign_id), lane: row.lane!, seq: row.seq! } }),
  };
}
