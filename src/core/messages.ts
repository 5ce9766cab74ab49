import type { Knex } from 'knex';
import type { ContentInput, OutgoingContent } from '../model/content.ts';
import { type ErrorCode, GatewayError } from '../model/errors.ts';
import type { Instance, InstanceState } from '../model/instance.ts';
import { bareMessageId, type Jid } from '../model/jid.ts';
import type { FailureReason, Message, Priority } from '../model/message.ts';
import { parseAddress } from '../model/phone.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { Database } from '../store/database.ts';
import type { IdempotencyStore } from '../store/idempotency.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { MessageStore } from '../store/messages.ts';
import { homeCountry } from './country.ts';
import { createGroupCommit } from './group-commit.ts';
import type { Outbox } from './outbox.ts';
import { newOutgoing } from './outgoing.ts';

/** What a caller wants sent. */
export interface SendInput {
  instance: Instance;
  /** A number as people write it, or a Jid. */
  to: string;
  /** ISO country by which a local number is read; default: the instance's, else that of its own number, else the gateway's. */
  country?: string | null;
  content: ContentInput;
  priority: Priority;
  /** Drops the message instead of sending it later than this. */
  ttlSeconds?: number;
  /** How long to wait for WhatsApp Web's answer; 0 answers as soon as the row is written. */
  waitMs?: number;
  /** Queues also while the instance is not linked to a phone; otherwise that is an error. */
  queueUnlinked?: boolean;
  idempotency?: { key: string; requestHash: string };
}

export interface Messages {
  /**
   * Writes the message and sends it as soon as its instance can; returns it as it is then.
   * @throws GatewayError invalid_number | invalid_input | invalid_media | instance_not_ready | not_on_whatsapp | send_failed | idempotency_conflict
   */
  send(caller: Caller, input: SendInput): Promise<Message>;
  /** Returns a message by serialized key, bare WhatsApp id or our id. @throws GatewayError not_found */
  status(caller: Caller, id: string): Promise<Message>;
}

interface MessagesDeps {
  database: Database;
  messages: MessageStore;
  instances: InstanceStore;
  idempotency: IdempotencyStore;
  outbox: Outbox;
  /** Turns what a caller gave into stored content. */
  prepareContent(accountId: string, input: ContentInput): Promise<OutgoingContent>;
  defaultCountry: string | null;
  clock: Clock;
  newId: () => string;
}

/** In these states no phone is linked: a message would wait for a person. */
const unlinkedStates: ReadonlySet<InstanceState> = new Set(['created', 'qr', 'pairing', 'logged_out', 'stopped']);

/** Returns the use cases of messages. */
export function createMessages(deps: MessagesDeps): Messages {
  const { database, messages, instances, idempotency, outbox, prepareContent, clock, newId } = deps;
  const inserts = createGroupCommit<Message>((rows) => messages.insert(rows));

  async function send(caller: Caller, input: SendInput): Promise<Message> {
    const repeated = input.idempotency ? await repetition(caller, input.idempotency) : null;
    if (repeated) return repeated;
    const { instance } = input;
    if (!input.queueUnlinked && (unlinkedStates.has(instance.state) || instance.desiredState === 'stopped'))
      throw new GatewayError(
        'instance_not_ready',
        `Instance ${instance.id} is not linked to WhatsApp (it is ${instance.state})`,
      );
    const chat = parseAddress(input.to, homeCountry(input.country, instance, deps.defaultCountry));
    const content = await prepareContent(caller.accountId, input.content);

    const message = await write(input, chat, content);
    // The page works while the disk does; the caller is told when both are done.
    const [settled] = await Promise.all([outbox.settled(message.id, input.waitMs ?? 0), database.flushed()]);
    if (settled?.state === 'failed') throw failure(settled);
    return settled ?? message;
  }

  /** One commit; a message that the page can take at once is written as `sending` and saves a second. */
  async function write(input: SendInput, chat: Jid, content: OutgoingContent): Promise<Message> {
    const { instance, priority, ttlSeconds } = input;
    const now = clock.now();
    const state = outbox.admit(instance.id);
    const expiresAt = ttlSeconds === undefined ? null : now + ttlSeconds * 1000;
    const message = newOutgoing({ id: newId(), instance, chat, content, priority, state, expiresAt, now });
    try {
      if (input.idempotency) await database.transaction((trx) => writeOnce(trx, input.idempotency!, message));
      else await inserts.add(message);
    } catch (error) {
      if (state === 'sending') outbox.released(message.instanceId);
      const first = input.idempotency && (await idempotency.find(message.accountId, input.idempotency.key));
      if (first) return sameRequest(first, input.idempotency!.requestHash);
      throw error;
    }
    outbox.added([message]);
    return message;
  }

  async function writeOnce(
    trx: Knex.Transaction,
    { key, requestHash }: { key: string; requestHash: string },
    message: Message,
  ): Promise<void> {
    await idempotency.insert(trx, {
      accountId: message.accountId,
      key,
      requestHash,
      messageId: message.id,
      now: clock.now(),
    });
    await messages.insert([message], trx);
  }

  async function repetition(
    caller: Caller,
    { key, requestHash }: { key: string; requestHash: string },
  ): Promise<Message | null> {
    const first = await idempotency.find(caller.accountId, key);
    return first ? sameRequest(first, requestHash) : null;
  }

  async function sameRequest(first: { requestHash: string; messageId: string }, requestHash: string): Promise<Message> {
    if (first.requestHash !== requestHash) throw new GatewayError('idempotency_conflict');
    const message = await messages.byId(first.messageId);
    if (!message) throw new GatewayError('not_found', 'The message of this Idempotency-Key is gone');
    return message;
  }

  async function status(caller: Caller, id: string): Promise<Message> {
    await outbox.flush();
    const message =
      (await messages.byId(id)) ?? (await messages.byWaId({ accountId: caller.accountId, waId: bareMessageId(id) }));
    const instance = message?.accountId === caller.accountId ? await instances.byId(message.instanceId) : null;
    const bound = caller.token.instanceId;
    if (!message || message.accountId !== caller.accountId || (bound && instance?.id !== bound))
      throw new GatewayError('not_found', `There is no message ${id}`);
    return message;
  }

  return { send, status };
}

/** Returns the error that a caller who waits is told for a failed message. */
function failure(message: Message): GatewayError {
  const { code, sentence } = failures[message.reason ?? 'rejected_by_whatsapp'];
  return new GatewayError(code, sentence.replace('{chat}', message.chat.split('@')[0]!), {
    details: { id: message.waKey, reason: message.reason },
  });
}

const failures: Record<FailureReason, { code: ErrorCode; sentence: string }> = {
  not_on_whatsapp: { code: 'not_on_whatsapp', sentence: '{chat} is not on WhatsApp' },
  chat_not_found: { code: 'not_on_whatsapp', sentence: 'WhatsApp Web has no chat with {chat}' },
  media_missing: { code: 'invalid_media', sentence: 'The file of the message is gone' },
  rejected_by_whatsapp: { code: 'send_failed', sentence: 'WhatsApp did not accept the message to {chat}' },
  expired: { code: 'send_failed', sentence: 'The time to live of the message was over before it could be sent' },
  instance_deleted: { code: 'instance_not_found', sentence: 'The instance was deleted before the message was sent' },
  profile_lost: { code: 'send_failed', sentence: 'The device was unlinked while the message was being sent' },
  no_answer_from_page: { code: 'send_failed', sentence: 'WhatsApp Web did not say what became of the message' },
};
