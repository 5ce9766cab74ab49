import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { isMediaContent, type OutgoingContent } from '../model/content.ts';
import { reasonOf } from '../model/errors.ts';
import { type FailureReason, type Message, type MessageState, stateOfAck } from '../model/message.ts';
import type { Clock } from '../model/time.ts';
import type { Database } from '../store/database.ts';
import type { MessageStore } from '../store/messages.ts';
import type { ClientMessage, SendOutcome, SentMessage, WhatsAppClient } from '../whatsapp/client.ts';
import type { Announcer } from './announcer.ts';
import { createMessageChanges } from './message-changes.ts';
import { createSettling } from './settling.ts';

/** The sender of every instance: one owner per linked number, urgent first, nothing lost, nothing twice. */
export interface Outbox {
  /** Says in which state a new row is to be written: `sending` when the page can take it at once (then `added` or `released` must follow). */
  admit(instanceId: string): 'queued' | 'sending';
  /** Takes over rows that are committed. */
  added(messages: Message[]): void;
  /** Gives an admission back: the row was not written. */
  released(instanceId: string): void;
  /** Returns the message as soon as WhatsApp Web has answered, null after `waitMs`. */
  settled(messageId: string, waitMs: number): Promise<Message | null>;
  /** Resends what a former page may or may not have sent, looks up missed acks, then sends what is queued. */
  instanceReady(instanceId: string, client: WhatsAppClient): Promise<void>;
  instanceGone(instanceId: string): void;
  /** Ends everything that waits, because the instance or its login is gone for good. */
  abandon(instanceId: string, reason: FailureReason): Promise<void>;
  onSent(instanceId: string, outcomes: SendOutcome[]): void;
  onAcks(instanceId: string, acks: SentMessage[]): void;
  /** Writes what is known but not yet committed. */
  flush(): Promise<void>;
  /** Looks after messages that ran out of time. */
  tick(): Promise<void>;
  close(): Promise<void>;
}

/** Who follows messages on their way: campaigns do. */
export interface SendFollower {
  /** Takes messages that changed, in the transaction that changes them. */
  changed(trx: Knex.Transaction, messages: readonly Message[]): Promise<void>;
  /** The instance can send, and what was interrupted is being looked up. */
  ready(instanceId: string): Promise<void>;
  gone(instanceId: string): void;
  /** The instance or its login is gone for good. */
  abandoned(instanceId: string, reason: FailureReason): Promise<void>;
}

interface OutboxDeps {
  database: Database;
  messages: MessageStore;
  announcer: Announcer;
  follower?: SendFollower;
  readBase64(mediaId: string): Promise<string>;
  clock: Clock;
  log: Logger;
  /** Pause before the second attempt; it grows with each. Default 2 s. */
  retryDelayMs?: number;
}

type SendError = Extract<SendOutcome, { result: 'error' }>;

/** One instance's sender. */
interface Lane {
  client: WhatsAppClient | null;
  /** By WhatsApp id: handed to the page, no outcome yet. */
  inFlight: Map<string, { message: Message; deadlineAt: number }>;
  /** Admitted, but not committed yet. */
  reserved: number;
  /** False only when the table is known to hold no queued row. */
  hasQueued: boolean;
  pumping: boolean;
}

/** Messages handed to the page ahead; it sends them one after another. */
const pageDepth = 16;
const maxAttempts = 5;
const answerTimeoutMs = { text: 60_000, media: 180_000 };
const reconcileDays = 3;
const dayMs = 86_400_000;

/** Returns the outbox over all instances. */
export function createOutbox({
  database,
  messages,
  announcer,
  follower,
  readBase64,
  clock,
  log,
  retryDelayMs = 2_000,
}: OutboxDeps): Outbox {
  const lanes = new Map<string, Lane>();
  const settling = createSettling();
  const timers = new Set<NodeJS.Timeout>();
  const changes = createMessageChanges({
    database,
    messages,
    announcer,
    ...(follower ? { changed: follower.changed } : {}),
    clock,
    log,
  });
  let closed = false;

  function laneOf(instanceId: string): Lane {
    let lane = lanes.get(instanceId);
    if (!lane) {
      lane = { client: null, inFlight: new Map(), reserved: 0, hasQueued: true, pumping: false };
      lanes.set(instanceId, lane);
    }
    return lane;
  }

  const roomIn = (lane: Lane) => pageDepth - lane.inFlight.size - lane.reserved;

  function later(delayMs: number, work: () => void): void {
    if (closed) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, delayMs);
    timers.add(timer);
  }

  // ---- from the queue to the page ----

  function admit(instanceId: string): 'queued' | 'sending' {
    const lane = laneOf(instanceId);
    if (!lane.client || lane.hasQueued || lane.pumping || roomIn(lane) <= 0) return 'queued';
    lane.reserved += 1;
    return 'sending';
  }

  function released(instanceId: string): void {
    laneOf(instanceId).reserved -= 1;
  }

  function added(rows: Message[]): void {
    for (const message of rows) {
      const lane = laneOf(message.instanceId);
      if (message.state === 'sending') {
        lane.reserved -= 1;
        void dispatch(message.instanceId, lane, [message]);
      } else {
        lane.hasQueued = true;
        void pump(message.instanceId, lane);
      }
    }
  }

  async function pump(instanceId: string, lane: Lane): Promise<void> {
    if (lane.pumping || closed) return;
    lane.pumping = true;
    try {
      while (lane.client && lane.hasQueued && roomIn(lane) > 0) {
        lane.hasQueued = false;
        const limit = roomIn(lane);
        const claimed = await messages.claimNext({ instanceId, limit, now: clock.now() });
        if (claimed.length === limit) lane.hasQueued = true;
        if (claimed.length > 0) void dispatch(instanceId, lane, claimed);
      }
    } catch (error) {
      lane.hasQueued = true;
      log.error({ instance: instanceId, error: reasonOf(error) }, 'the queue could not be read');
      later(1_000, () => void pump(instanceId, lane));
    } finally {
      lane.pumping = false;
    }
  }

  /** Hands claimed messages to the page. A page that is gone leaves the rows in `sending`: they are resolved at the next ready. */
  async function dispatch(instanceId: string, lane: Lane, rows: Message[]): Promise<void> {
    const client = lane.client;
    for (const message of rows)
      lane.inFlight.set(message.waId, { message, deadlineAt: clock.now() + timeoutOf(message) });
    if (!client) return;
    const outgoing: ClientMessage[] = [];
    for (const message of rows) {
      try {
        outgoing.push(await toClientMessage(message));
      } catch (error) {
        log.warn(
          { instance: instanceId, message: message.waId, error: reasonOf(error) },
          'the file of a message is gone',
        );
        onSent(instanceId, [
          { result: 'refused', waId: message.waId, reason: 'media_missing', detail: reasonOf(error) },
        ]);
      }
    }
    try {
      if (outgoing.length > 0) await client.send(outgoing);
    } catch (error) {
      if (lane.client !== client) return;
      onSent(
        instanceId,
        outgoing.map(({ waId }) => ({ result: 'error', waId, detail: reasonOf(error) })),
      );
    }
  }

  async function toClientMessage(message: Message): Promise<ClientMessage> {
    const content = message.content as OutgoingContent;
    const common = { waId: message.waId, chat: message.chat, content, retry: message.attempts > 1 };
    if (!isMediaContent(content)) return common;
    return { ...common, mediaBase64: await readBase64(content.media.mediaId) };
  }

  // ---- from the page to the rows ----

  function onSent(instanceId: string, outcomes: SendOutcome[]): void {
    const lane = laneOf(instanceId);
    for (const outcome of outcomes) {
      const entry = lane.inFlight.get(outcome.waId);
      if (!entry) continue;
      if (outcome.result === 'error') retry(instanceId, lane, entry.message, outcome);
      else {
        lane.inFlight.delete(outcome.waId);
        if (outcome.result === 'accepted') accept(instanceId, entry.message, outcome);
        else void end([entry.message], 'failed', outcome.reason);
      }
    }
    void pump(instanceId, lane);
  }

  function accept(instanceId: string, message: Message, sent: SentMessage): void {
    changes.acked(instanceId, [sent]);
    settling.settle({ ...message, state: stateOfAck(sent.ack), ack: sent.ack, waKey: sent.waKey });
  }

  /** Sending the same id again is safe: the page looks it up first. Its slot is kept, so the order stays. */
  function retry(instanceId: string, lane: Lane, message: Message, error: SendError): void {
    const { detail, unanswered } = error;
    log.warn({ instance: instanceId, message: message.waId, attempt: message.attempts, detail }, 'a send went wrong');
    if (message.attempts >= maxAttempts) {
      lane.inFlight.delete(message.waId);
      void (unanswered
        ? end([message], 'uncertain', 'no_answer_from_page')
        : end([message], 'failed', 'rejected_by_whatsapp'));
      return;
    }
    const next = { ...message, attempts: message.attempts + 1 };
    lane.inFlight.set(message.waId, { message: next, deadlineAt: Number.POSITIVE_INFINITY });
    later(retryDelayMs * message.attempts, () => {
      if (lane.client && lane.inFlight.get(message.waId)?.message === next) void dispatch(instanceId, lane, [next]);
    });
  }

  function end(rows: Message[], state: MessageState, reason: FailureReason): Promise<void> {
    for (const message of rows) settling.settle({ ...message, state, reason });
    return changes.ended(rows, state, reason);
  }

  // ---- life of an instance ----

  async function instanceReady(instanceId: string, client: WhatsAppClient): Promise<void> {
    const lane = laneOf(instanceId);
    lane.inFlight.clear();
    await changes.flush();
    const interrupted = await messages.interrupted(instanceId);
    const again = await messages.claimAgain(
      interrupted.filter((message) => message.attempts < maxAttempts).map((message) => message.id),
    );
    const hopeless = interrupted.filter((message) => message.attempts >= maxAttempts);
    if (hopeless.length > 0) await end(hopeless, 'uncertain', 'no_answer_from_page');
    if (interrupted.length > 0)
      log.info({ instance: instanceId, count: interrupted.length }, 'looking up messages that were interrupted');

    lane.client = client;
    lane.hasQueued = true;
    if (again.length > 0) await dispatch(instanceId, lane, again);
    void pump(instanceId, lane);
    await reconcile(instanceId, client).catch((error: unknown) =>
      log.error({ instance: instanceId, error: reasonOf(error) }, 'missed acks could not be looked up'),
    );
    if (lane.client === client) await follower?.ready(instanceId);
  }

  /** Acks that came while the gateway was away are read from the page. */
  async function reconcile(instanceId: string, client: WhatsAppClient): Promise<void> {
    const open = await messages.unsettled({ instanceId, sinceAt: clock.now() - reconcileDays * dayMs, limit: 500 });
    const known = await client.find(open.map(({ waId, chat }) => ({ waId, chat })));
    changes.acked(instanceId, known);
  }

  function instanceGone(instanceId: string): void {
    const lane = laneOf(instanceId);
    lane.client = null;
    lane.inFlight.clear();
    follower?.gone(instanceId);
  }

  async function abandon(instanceId: string, reason: FailureReason): Promise<void> {
    instanceGone(instanceId);
    const rows = await messages.byIds(await messages.openIds(instanceId));
    const begun = rows.filter((message) => message.state === 'sending');
    if (begun.length > 0) await end(begun, 'uncertain', reason);
    const waiting = rows.filter((message) => message.state === 'queued');
    if (waiting.length > 0 && reason === 'instance_deleted') await end(waiting, 'cancelled', reason);
    await follower?.abandoned(instanceId, reason);
  }

  async function tick(): Promise<void> {
    const now = clock.now();
    const expired = await messages.byIds(await messages.expired(now));
    if (expired.length > 0) await end(expired, 'cancelled', 'expired');
    for (const [instanceId, lane] of lanes) {
      const late = [...lane.inFlight.values()].filter((entry) => entry.deadlineAt <= now);
      if (late.length > 0)
        onSent(
          instanceId,
          late.map(({ message }) => ({
            result: 'error',
            waId: message.waId,
            detail: 'WhatsApp Web did not answer in time',
            unanswered: true,
          })),
        );
    }
  }

  async function close(): Promise<void> {
    closed = true;
    for (const timer of timers) clearTimeout(timer);
    for (const lane of lanes.values()) lane.client = null;
    await changes.close();
    settling.close();
  }

  return {
    admit,
    added,
    released,
    settled: settling.settled,
    instanceReady,
    instanceGone,
    abandon,
    onSent,
    onAcks: changes.acked,
    flush: changes.flush,
    tick,
    close,
  };
}

function timeoutOf(message: Message): number {
  return isMediaContent(message.content) ? answerTimeoutMs.media : answerTimeoutMs.text;
}
