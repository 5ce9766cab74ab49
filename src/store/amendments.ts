import type { Knex } from 'knex';
import type { Content } from '../model/content.ts';
import { idFloor } from '../model/ids.ts';
import type { Message } from '../model/message.ts';
import type { Database } from './database.ts';
import { fromRow, type MessageRow } from './message-rows.ts';

/** Who reacted to a message, with what and when; an empty emoji is a reaction that was taken back. */
export interface Reaction {
  messageId: string;
  sender: string;
  emoji: string;
  reactedAt: number;
}

/** What is changed about messages after they were written. */
export interface AmendmentStore {
  /** Returns the instance's messages with these WhatsApp ids, whichever way they went, and keeps others from changing them. */
  lock(trx: Knex.Transaction, input: { instanceId: string; waIds: string[] }): Promise<Message[]>;
  edit(trx: Knex.Transaction, id: string, change: { content: Content; editedAt: number }): Promise<void>;
  revoke(trx: Knex.Transaction, id: string, revokedAt: number): Promise<void>;
  reactions(trx: Knex.Transaction, messageIds: string[]): Promise<Reaction[]>;
  react(trx: Knex.Transaction, reaction: Reaction): Promise<void>;
  /** Returns the newest messages from `sinceAt` to `untilAt` (Unix ms) that WhatsApp knows of; scheduled ones lie behind. */
  recent(input: {
    accountId: string;
    instanceId: string;
    sinceAt: number;
    untilAt: number;
    limit: number;
  }): Promise<Message[]>;
}

/** Returns the store of changes. */
export function createAmendmentStore({ knex, engine }: Database): AmendmentStore {
  return {
    async lock(trx, { instanceId, waIds }) {
      const rows = (await trx('messages')
        .where({ instance_id: instanceId })
        .whereIn('direction', ['in', 'out'])
        .whereIn('wa_id', waIds)
        .forUpdate()) as MessageRow[];
      return rows.map(fromRow);
    },

    async edit(trx, id, { content, editedAt }) {
      await trx('messages')
        .where({ id })
        .update({ content: JSON.stringify(content), edited_at: editedAt });
    },

    async revoke(trx, id, revokedAt) {
      await trx('messages').where({ id }).update({ revoked_at: revokedAt });
    },

    async reactions(trx, messageIds) {
      if (messageIds.length === 0) return [];
      const rows = (await trx('message_reactions').whereIn('message_id', messageIds)) as {
        message_id: string;
        sender: string;
        emoji: string;
        reacted_at: number;
      }[];
      return rows.map((row) => ({
        messageId: row.message_id,
        sender: row.sender,
        emoji: row.emoji,
        reactedAt: Number(row.reacted_at),
      }));
    },

    async react(trx, { messageId, sender, emoji, reactedAt }) {
      await trx('message_reactions')
        .insert({ message_id: messageId, sender, emoji, reacted_at: reactedAt })
        .onConflict(['message_id', 'sender'])
        .merge(['emoji', 'reacted_at']);
    },

    async recent({ accountId, instanceId, sinceAt, untilAt, limit }) {
      // MariaDB would go through all that is scheduled first: it takes the account alone when it may choose.
      const table = engine === 'sqlite' ? 'messages' : knex.raw('messages force index (messages_log)');
      const rows = (await knex
        .from(table)
        .where({ account_id: accountId, instance_id: instanceId })
        .where('id', '>=', idFloor(sinceAt))
        .where('id', '<', idFloor(untilAt + 1))
        .whereIn('state', ['accepted', 'sent', 'delivered', 'read', 'received'])
        .whereNull('revoked_at')
        .orderBy('id', 'desc')
        .limit(limit)) as MessageRow[];
      return rows.map(fromRow);
    },
  };
}
