import { type ContentInput, isMediaContent, type OutgoingContent } from '../model/content.ts';
import { type ErrorCode, GatewayError, toGatewayError, undecidedOn } from '../model/errors.ts';
import { featureOf } from '../model/features.ts';
import type { Instance, InstanceState } from '../model/instance.ts';
import { bareMessageId, isGroup, type Jid } from '../model/jid.ts';
import type { FailureReason, Message, MessageState, Priority } from '../model/message.ts';
import { parseRecipient } from '../model/phone.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { Database } from '../store/database.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { MessageStore } from '../store/messages.ts';
import { homeCountry } from './country.ts';
import type { Features } from './features.ts';
import { createGroupCommit } from './group-commit.ts';
import type { Idempotency, IdempotencyKey } from './idempotency.ts';
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
  /** Unix ms before which it is not sent; a time that is over means at once. */
  sendAt?: number;
  /** Drops the message instead of sending it so long after it was to go out. */
  ttlSeconds?: number;
  /** How long to wait for WhatsApp Web's answer; 0 answers as soon as the row is written. */
  waitMs?: number;
  /** Queues also while the instance is not linked to a phone; otherwise that is an error. */
  queueUnlinked?: boolean;
  idempotency?: IdempotencyKey;
}

/** Messages on their way out, as their senders see them. */
export interface Messages {
  /**
   * Writes the message and sends it as soon as its instance can; returns it as it is then.
   * @throws GatewayError invalid_number | invalid_input | invalid_media | instance_not_ready | feature_unavailable | not_on_whatsapp | send_failed | idempotency_conflict | outcome_unknown
   */
  send(caller: Caller, input: SendInput): Promise<Message>;
  /** Returns a message by serialized key, bare WhatsApp id or our id. @throws GatewayError not_found */
  status(caller: Caller, id: string): Promise<Message>;
  /** Cancels a message that waits; one that is cancelled already stays so. @throws GatewayError not_found | too_late */
  cancel(caller: Caller, id: string): Promise<Message>;
}

interface MessagesDeps {
  database: Database;
  messages: MessageStore;
  instances: InstanceStore;
  idempotency: Pick<Idempotency, 'answered' | 'record'>;
  outbox: Outbox;
  features: Pick<Features, 'require' | 'missing'>;
  /** Keeps a file until this Unix ms at least. */
  keepMedia(mediaId: string, until: number): Promise<void>;
  /** Turns what a caller gave into stored content. */
  prepareContent(accountId: string, input: ContentInput): Promise<OutgoingContent>;
  defaultCountry: string | null;
  clock: Clock;
  newId: () => string;
}

/** In these states no phone is linked: a message would wait for a person. */
const unlinkedStates: ReadonlySet<InstanceState> = new Set(['created', 'qr', 'pairing', 'logged_out', 'stopped']);

const longestDelayMs = 366 * 24 * 3600 * 1000;

/** Returns the use cases of messages. */
export function createMessages(deps: MessagesDeps): Messages {
  const { database, messages, instances, idempotency, outbox, prepareContent, clock, newId } = deps;
  const inserts = createGroupCommit<Message>((rows) => messages.insert(rows));

  async function send(caller: Caller, input: SendInput): Promise<Message> {
    const { instance } = input;
    const first = await repeated(instance.accountId, input.idempotency);
    if (first) return answerTo(input, first);
    const now = clock.now();
    const sendAt = input.sendAt !== undefined && input.sendAt > now ? input.sendAt : null;
    if (sendAt !== null && sendAt > now + longestDelayMs) throw tooFar();
    if (
      sendAt === null &&
      !input.queueUnlinked &&
      (unlinkedStates.has(instance.state) || instance.desiredState === 'stopped')
    )
      throw notConnected(instance);
    const chat = parseRecipient(input.to, homeCountry(input.country, instance, deps.defaultCountry));
    const content = await prepareContent(caller.accountId, input.content);
    if (sendAt === null && !input.queueUnlinked) await deps.features.require(instance.id, featureOf(content));
    if (sendAt !== null && isMediaContent(content)) await deps.keepMedia(content.media.mediaId, sendAt);

    const { message, isRepeat } = await write(input, { chat, content, sendAt });
    // The result may have been told while this request was refused: whoever waited for it now would wait in vain.
    if (isRepeat) return answerTo(input, message);
    // The page works while the disk does; the caller is told when both are done.
    const [settled] = await Promise.all([
      outbox.settled(message.id, sendAt === null ? (input.waitMs ?? 0) : 0),
      database.flushed().catch((error: unknown) => {
        throw notKept(error);
      }),
    ]);
    return answerTo(input, settled ?? message);
  }

  /** Who waits for the result is told of a failure as an error, also when the same is asked again. */
  function answerTo({ waitMs = 0 }: SendInput, message: Message): Message {
    if (message.state === 'failed' && waitMs > 0) throw failure(message);
    return message;
  }

  /** One commit; a message that the page can take at once is written as `sending` and saves a second. A repeat that came at the same time writes none. */
  async function write(
    input: SendInput,
    { chat, content, sendAt }: { chat: Jid; content: OutgoingContent; sendAt: number | null },
  ): Promise<{ message: Message; isRepeat: boolean }> {
    const { instance, priority, ttlSeconds } = input;
    const now = clock.now();
    const state = sendAt === null ? outbox.admit(instance.id, content.type) : 'scheduled';
    const expiresAt = ttlSeconds === undefined ? null : (sendAt ?? now) + ttlSeconds * 1000;
    const message = newOutgoing({ id: newId(), instance, chat, content, priority, state, sendAt, expiresAt, now });
    const { idempotency: request } = input;
    const writing = outbox.writing(message.id);
    try {
      if (request)
        await database.transaction(async (trx) => {
          await idempotency.record(trx, message.accountId, request, message.id);
          await messages.insert([message], trx);
        });
      else await inserts.add(message);
    } catch (error) {
      // Who saw the row knows that it is committed, whatever became of the answer.
      if (writing.isTaken()) return { message: { ...message, state: 'sending' }, isRepeat: false };
      const connection = undecidedOn(error);
      const recorded = request ? { accountId: message.accountId, key: request.key, answer: message.id } : null;
      const withdrawn = connection && outbox.withdraw(message, { recorded, connection });
      if (state === 'sending') outbox.released(message.instanceId);
      // The caller is told that it is refused, so it must not go out later, whatever becomes of the gateway.
      await withdrawn;
      // A database that is away would be waited for once more.
      if (toGatewayError(error).code === 'unavailable') throw error;
      const first = await repeated(message.accountId, input.idempotency);
      if (first) return { message: first, isRepeat: true };
      throw error;
    } finally {
      writing.end();
    }
    outbox.added([message]);
    return { message, isRepeat: false };
  }

  async function repeated(accountId: string, request: IdempotencyKey | undefined): Promise<Message | null> {
    const id = request ? await idempotency.answered(accountId, request) : null;
    if (id === null) return null;
    if (outbox.isWithdrawn(id))
      throw new GatewayError('unavailable', 'The first call with this Idempotency-Key is being undone', {
        retryAfterSeconds: 1,
      });
    // What the first caller was told may not be committed yet, and a status does not go back.
    await outbox.flush();
    const message = await messages.byId(id);
    if (!message) throw new GatewayError('not_found', 'The message of this Idempotency-Key is gone');
    return message;
  }

  async function cancel(caller: Caller, id: string): Promise<Message> {
    const message = await status(caller, id);
    const cancelled = await outbox.cancel(message.id);
    if (cancelled) {
      await database.flushed();
      return cancelled;
    }
    const now = await status(caller, id);
    if (now.state === 'cancelled') return now;
    throw new GatewayError('too_late', tooLate[now.state] ?? 'The message has ended: it cannot be cancelled any more', {
      details: { status: now.state },
    });
  }

  async function status(caller: Caller, id: string): Promise<Message> {
    await outbox.flush();
    const message =
      (await messages.byId(id)) ?? (await messages.byWaId({ accountId: caller.accountId, waId: bareMessageId(id) }));
    const instance = message?.accountId === caller.accountId ? await instances.byId(message.instanceId) : null;
    const bound = caller.token.instanceId;
    if (!message || message.accountId !== caller.accountId || (bound && instance?.id !== bound))
      throw new GatewayError('not_found', `There is no message ${id}`);
    return withHold(message);
  }

  /** What waits for a page that can send its kind says so while it waits. */
  function withHold(message: Message): Message {
    const isHeld = message.state === 'queued' && deps.features.missing(message.instanceId, featureOf(message.content));
    return isHeld ? { ...message, reason: 'feature_unavailable' } : message;
  }

  return { send, status, cancel };
}

/** Why a message in this state cannot be cancelled. */
const tooLate: Partial<Record<MessageState, string>> = {
  sending: 'The message is being sent: it cannot be cancelled any more',
  accepted: 'WhatsApp Web has the message: it cannot be cancelled any more',
  sent: 'The message has been sent: it cannot be cancelled any more',
  delivered: 'The message has been delivered: it cannot be cancelled any more',
  read: 'The message has been read: it cannot be cancelled any more',
  received: 'The message came in: only outgoing messages can be cancelled',
  fetching: 'The message came in: only outgoing messages can be cancelled',
};

function notKept(error: unknown): GatewayError {
  const { code = 'error' } = error as NodeJS.ErrnoException;
  return new GatewayError(
    'outcome_unknown',
    `The message is taken and goes out, but the disk did not keep it (${code}): should the power fail now, it is forgotten. ` +
      'Look for it before you ask again, or ask with the same Idempotency-Key',
    { cause: error },
  );
}

function tooFar(): GatewayError {
  const sentence = 'send_at must lie within the next 366 days';
  return new GatewayError('invalid_input', sentence, { details: { send_at: sentence } });
}

/** Returns the error that a caller who waits is told for a failed message. */
function failure(message: Message): GatewayError {
  const reason = message.reason ?? 'rejected_by_whatsapp';
  const { code, sentence } = reason === 'chat_not_found' && isGroup(message.chat) ? noGroup : failures[reason];
  return new GatewayError(code, sentence.replace('{chat}', message.chat.split('@')[0]!), {
    details: { id: message.waKey, reason: message.reason },
  });
}

const noGroup = { code: 'not_on_whatsapp', sentence: 'There is no group {chat}, or the number is not in it' } as const;

const failures: Record<FailureReason, { code: ErrorCode; sentence: string }> = {
  not_on_whatsapp: { code: 'not_on_whatsapp', sentence: '{chat} is not on WhatsApp' },
  chat_not_found: { code: 'not_on_whatsapp', sentence: 'WhatsApp Web has no chat with {chat}' },
  media_missing: { code: 'invalid_media', sentence: 'The file of the message is gone' },
  media_unreadable: {
    code: 'invalid_media',
    sentence: 'WhatsApp Web cannot read the file: it is damaged, or not of its type',
  },
  rejected_by_whatsapp: { code: 'send_failed', sentence: 'WhatsApp did not accept the message to {chat}' },
  cancelled_by_caller: { code: 'send_failed', sentence: 'The message was cancelled' },
  expired: { code: 'send_failed', sentence: 'The time to live of the message was over before it could be sent' },
  instance_deleted: { code: 'instance_not_found', sentence: 'The instance was deleted before the message was sent' },
  feature_unavailable: { code: 'feature_unavailable', sentence: 'This page of WhatsApp Web cannot send the message' },
  profile_lost: { code: 'send_failed', sentence: 'The device was unlinked while the message was being sent' },
  no_answer_from_page: { code: 'send_failed', sentence: 'WhatsApp Web did not say what became of the message' },
};

function notConnected({ id, state }: Instance): GatewayError {
  const is = unlinkedStates.has(state) ? state : 'being stopped';
  return new GatewayError('instance_not_ready', `Instance ${id} is not connected to WhatsApp (it is ${is})`);
}
