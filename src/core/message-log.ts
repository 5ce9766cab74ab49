import { GatewayError } from '../model/errors.ts';
import { type Jid, jidPhone, phoneJid } from '../model/jid.ts';
import type { Message, MessageState } from '../model/message.ts';
import { parseAddress } from '../model/phone.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { LidStore } from '../store/lids.ts';
import type { MessageLogStore } from '../store/message-log.ts';
import { homeCountry } from './country.ts';

/** Which messages a caller looks for; what is absent does not matter. */
interface LogQuery {
  instanceId?: string;
  /** A number as people write it, or a Jid. */
  chat?: string;
  /** ISO country by which a local number is read. */
  country?: string;
  direction?: Message['direction'];
  states?: readonly MessageState[];
  campaignId?: string;
  /** Unix ms; a scheduled message counts by when it is to go out. */
  sinceAt?: number;
  /** Unix ms, exclusive. */
  untilAt?: number;
  /** The `next` of the page before. */
  before?: string;
  limit: number;
}

/** A page may be short although more follow: `next` tells. */
interface LogPage {
  messages: Message[];
  next: string | null;
}

/** The messages of an account, in and out. */
export interface MessageLog {
  /** Newest first; a token of one instance sees that instance's. @throws GatewayError instance_not_found | invalid_number */
  list(caller: Caller, query: LogQuery): Promise<LogPage>;
  /** Removes messages that nothing has happened to for the retention time; returns how many. */
  prune(): Promise<number>;
}

interface MessageLogDeps {
  store: MessageLogStore;
  lids: Pick<LidStore, 'ofPhone' | 'phones'>;
  instances: Pick<InstanceStore, 'byId'>;
  /** Writes what is known but not yet committed. */
  flush(): Promise<void>;
  defaultCountry: string | null;
  /** 0 keeps everything. */
  retentionDays: number;
  /** So long webhooks may be sent again, and they tell of messages. */
  webhookRetentionDays: number;
  clock: Clock;
}

const dayMs = 86_400_000;
const prunedAtOnce = 500;
/** Of one run; the next goes on. */
const longestPruneMs = 10_000;

/** Returns the log of messages. */
export function createMessageLog(deps: MessageLogDeps): MessageLog {
  const { store, lids, instances, clock } = deps;

  async function list(caller: Caller, query: LogQuery): Promise<LogPage> {
    const bound = caller.token.instanceId;
    const instanceId = query.instanceId ?? bound;
    const isForeign = async (id: string) => !(await store.instanceIds(caller.accountId)).includes(id);
    if (instanceId !== null && ((bound && instanceId !== bound) || (await isForeign(instanceId))))
      throw new GatewayError('instance_not_found', `There is no instance ${instanceId}`);
    await deps.flush();
    return store.page({
      accountId: caller.accountId,
      instanceId,
      chats: query.chat === undefined ? null : await chatsOf(query.chat, query.country, instanceId),
      direction: query.direction ?? null,
      states: query.states ?? null,
      campaignId: query.campaignId ?? null,
      sinceAt: query.sinceAt ?? null,
      untilAt: query.untilAt ?? null,
      before: query.before ?? null,
      limit: query.limit,
    });
  }

  /** A person's chat goes by the number or by a LID, and may have moved from one to the other. */
  async function chatsOf(chat: string, country: string | undefined, instanceId: string | null): Promise<Jid[]> {
    const instance = instanceId === null ? null : await instances.byId(instanceId);
    const home = instance ? homeCountry(country, instance, deps.defaultCountry) : (country ?? deps.defaultCountry);
    const jid = parseAddress(chat, home);
    const phone = jidPhone(jid);
    if (phone) return [jid, ...(await lids.ofPhone(phone))];
    return [jid, ...[...(await lids.phones([jid])).values()].map(phoneJid)];
  }

  async function prune(): Promise<number> {
    if (deps.retentionDays === 0) return 0;
    const startedAt = clock.now();
    const beforeAt = startedAt - Math.max(deps.retentionDays, deps.webhookRetentionDays + 1) * dayMs;
    let total = 0;
    let after: string | null = '';
    while (after !== null && clock.now() - startedAt < longestPruneMs) {
      const batchAt = clock.now();
      const { removed, next } = await store.prune({ beforeAt, after, limit: prunedAtOnce });
      total += removed;
      after = next;
      // As long as it took: sends get the other half of the database's time.
      if (removed > 0) await clock.sleep(clock.now() - batchAt);
    }
    return total;
  }

  return { list, prune };
}
