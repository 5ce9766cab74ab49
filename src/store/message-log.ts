import type { Knex } from 'knex';
import { campaignNumber } from '../model/campaign.ts';
import { idFloor } from '../model/ids.ts';
import type { Jid } from '../model/jid.ts';
import { type Message, messageStates, type MessageState, priorities } from '../model/message.ts';
import type { Database } from './database.ts';
import { fromRow, type MessageRow } from './message-rows.ts';

/** Which messages are looked for; what is null does not matter. */
export interface LogFilter {
  accountId: string;
  instanceId: string | null;
  chats: readonly Jid[] | null;
  direction: Message['direction'] | null;
  states: readonly MessageState[] | null;
  campaignId: string | null;
  /** Unix ms; a message counts by when it was made, a scheduled one by when it is to go out. */
  sinceAt: number | null;
  /** Unix ms, exclusive. */
  untilAt: number | null;
}

/** The table of messages, as the message log reads it. */
export interface MessageLogStore {
  /** Returns the ids of the account's instances, deleted ones too. */
  instanceIds(accountId: string): Promise<string[]>;
  /** Returns a page, the newest first. It may be short although more follow: `next`, the `before` of the next page, tells. */
  page(
    filter: LogFilter & { before: string | null; limit: number },
  ): Promise<{ messages: Message[]; next: string | null }>;
  /**
   * Removes messages that nothing has happened to since `beforeAt` (Unix ms), among the oldest `limit` behind `after`. What still waits
   * to be sent stays. Returns how many went, and where to go on; null at the end.
   */
  prune(input: { beforeAt: number; after: string; limit: number }): Promise<{ removed: number; next: string | null }>;
}

/** Rows that a filter without an index of its own looks at for one page. */
const scanRows = 5_000;
/** One select for each place in an index; SQLite takes 500 in one statement. */
const mostSelects = 400;

const columns = ['id', 'instance_id', 'account_id', 'direction', 'chat', 'state', 'campaign_id'] as const;
type LogRow = Pick<MessageRow, (typeof columns)[number]>;
type Place = Partial<Pick<MessageRow, (typeof columns)[number] | 'priority'>>;

/** In these states a message is still to be sent, or to be told. */
const open: ReadonlySet<MessageState> = new Set(['scheduled', 'queued', 'sending', 'fetching']);

/** Returns the log over the messages table. Whatever is asked, a page reads a bounded number of rows. */
export function createMessageLogStore(database: Database): MessageLogStore {
  const { knex } = database;

  /** Returns where in which index the messages lie; every place holds them in the order of their ids. */
  async function placesOf(filter: LogFilter): Promise<Place[]> {
    const { accountId, instanceId, chats, campaignId } = filter;
    const states = statesOf(filter);
    if (campaignId !== null) return [{ campaign_id: campaignNumber(campaignId) ?? -1 }];
    if (chats !== null) return chats.map((chat) => ({ account_id: accountId, chat }));
    if (instanceId === null && states.length === messageStates.length) return [{ account_id: accountId }];
    // The queue's own index serves the log as well: within one instance, state and priority it goes by id.
    const ids = instanceId === null ? await instanceIds(accountId) : [instanceId];
    const places = ids.flatMap((instance_id) =>
      states.flatMap((state) => Object.values(priorities).map((priority) => ({ instance_id, state, priority }))),
    );
    return places.length <= mostSelects ? places : [{ account_id: accountId }];
  }

  async function instanceIds(accountId: string): Promise<string[]> {
    const rows = (await knex('instances').where({ account_id: accountId }).select('id')) as { id: string }[];
    return rows.map((row) => row.id);
  }

  /** MariaDB would read everything newer than `before`: it takes the equal columns of an index alone when it may choose. */
  function tableFor(place: Place): string | Knex.Raw {
    return database.engine === 'sqlite' ? 'messages' : knex.raw('messages force index (??)', [indexOf(place)]);
  }

  /** Returns the newest rows of all places together. */
  async function newest(places: readonly Place[], range: { from: string; before: string }, limit: number) {
    const selects = places.map((place, index) => {
      const query = knex
        .from(tableFor(place))
        .where(place)
        .where('id', '>=', range.from)
        .where('id', '<', range.before)
        .orderBy('id', 'desc')
        .limit(limit)
        .select(columns);
      return knex.select('*').from(query.as(`place${index}`));
    });
    const [first, ...rest] = selects;
    if (!first) return [];
    const query = rest.length === 0 ? first : knex.select('*').from(first.unionAll(rest).as('places'));
    return (await (query as Knex.QueryBuilder).orderBy('id', 'desc').limit(limit)) as LogRow[];
  }

  return {
    instanceIds,

    async page(filter) {
      const { before, limit } = filter;
      const places = await placesOf(filter);
      const from = filter.sinceAt === null ? '' : idFloor(filter.sinceAt);
      const until = filter.untilAt === null ? null : idFloor(filter.untilAt);
      const range = { from, before: [before, until, afterAll].filter((id) => id !== null).toSorted()[0]! };
      const isExact = places.every((place) => isWhole(place, filter));
      const size = isExact ? limit + 1 : Math.max(scanRows, limit + 1);
      const rows = await newest(places, range, size);
      const found = rows.filter((row) => matches(row, filter));
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : rows.length === size ? rows.at(-1) : undefined;
      return { messages: await byIds(page.map((row) => row.id)), next: last?.id ?? null };
    },

    async prune({ beforeAt, after, limit }) {
      const rows = (await knex('messages')
        .where('id', '>', after)
        .where('id', '<', idFloor(beforeAt))
        .orderBy('id')
        .limit(limit)
        .select('id', 'state', 'acked_at', 'edited_at', 'revoked_at')) as Pick<
        MessageRow,
        'id' | 'state' | 'acked_at' | 'edited_at' | 'revoked_at'
      >[];
      const ended = rows.filter(
        ({ state, acked_at, edited_at, revoked_at }) =>
          !open.has(state) && Math.max(acked_at ?? 0, edited_at ?? 0, revoked_at ?? 0) < beforeAt,
      );
      const removed = await remove(ended.map(({ id }) => id));
      return { removed, next: rows.length === limit ? rows.at(-1)!.id : null };
    },
  };

  async function byIds(ids: string[]): Promise<Message[]> {
    if (ids.length === 0) return [];
    return ((await knex('messages').whereIn('id', ids).orderBy('id', 'desc')) as MessageRow[]).map(fromRow);
  }

  async function remove(ids: string[]): Promise<number> {
    if (ids.length === 0) return 0;
    return database.statement(() => knex('messages').whereIn('id', ids).delete());
  }
}

/** Sorts behind every id, whatever the collation. */
const afterAll = 'Z';

/** Returns the states that messages of the filter can be in. What is being fetched came in, or was written on the phone. */
function statesOf({ direction, states }: LogFilter): MessageState[] {
  const ofDirection = (state: MessageState) =>
    direction === null || state === 'fetching' || (state === 'received') === (direction === 'in');
  return messageStates.filter((state) => ofDirection(state) && (states === null || states.includes(state)));
}

function indexOf(place: Place): string {
  if (place.campaign_id !== undefined) return 'messages_campaign';
  if (place.chat !== undefined) return 'messages_chat';
  return place.state === undefined ? 'messages_log' : 'messages_outbox';
}

/** Tells whether a place holds nothing but what the filter asks for. */
function isWhole(place: Place, { instanceId, chats, direction, states, campaignId }: LogFilter): boolean {
  return (
    (direction === null || place.state !== undefined) &&
    (instanceId === null || place.instance_id !== undefined) &&
    (chats === null || place.chat !== undefined) &&
    (states === null || place.state !== undefined) &&
    (campaignId === null || (place.campaign_id !== undefined && chats === null))
  );
}

function matches(row: LogRow, { accountId, instanceId, chats, direction, states, campaignId }: LogFilter): boolean {
  return (
    row.account_id === accountId &&
    (instanceId === null || row.instance_id === instanceId) &&
    (chats === null || chats.includes(row.chat)) &&
    (direction === null || row.direction === direction) &&
    (states === null || states.includes(row.state)) &&
    (campaignId === null || row.campaign_id === campaignNumber(campaignId))
  );
}
