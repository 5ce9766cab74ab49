import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { reasonOf } from '../model/errors.ts';
import type { FailureReason, Message, MessageState } from '../model/message.ts';
import type { Clock } from '../model/time.ts';
import type { Database } from '../store/database.ts';
import { dueOf, type MessageDueStore } from '../store/message-due.ts';
import type { MessageStore } from '../store/messages.ts';
import type { SendOutcome, SentMessage, WhatsAppClient } from '../whatsapp/client.ts';
import type { Announcer } from './announcer.ts';
import type { Idempotency } from './idempotency.ts';
import { createMessageChanges } from './outbox/changes.ts';
import { createEndings } from './outbox/endings.ts';
import { type ContentType, createLanes, type HeldTypes, type Lane } from './outbox/lanes.ts';
import { createRecovery } from './outbox/recovery.ts';
import { createSending } from './outbox/sending.ts';
import { createSettling } from './outbox/settling.ts';
import { createSuspects } from './outbox/suspects.ts';
import { createTimetable } from './outbox/timetable.ts';
import { createWithdrawals } from './outbox/withdrawals.ts';
import type { WithdrawalJournal, WithdrawnMessage } from './withdrawal-journal.ts';

/** The sender of every instance: one owner per linked number, urgent first, nothing lost, nothing twice. */
export interface Outbox {
  /** Takes back what the last gateway could not, and takes up the messages whose time came while none was there. */
  start(): Promise<void>;
  /** Says in which state a new row is to be written: `sending` when the page can take it at once (then `added` or `released` must follow). */
  admit(instanceId: string, type?: ContentType): 'queued' | 'sending';
  /** Takes over rows that are committed. */
  added(messages: Message[]): void;
  /** Gives an admission back: the row was not written. */
  released(instanceId: string): void;
  /** A row is about to be written: until `end` tells whether the queue gave it to the page, and so has it, before its writer knew. */
  writing(messageId: string): { isTaken(): boolean; end(): void };
  /** Takes back a message whose row may have been written all the same; resolves when that outlasts the gateway. @throws GatewayError outcome_unknown when it may not */
  withdraw(message: Message, lost: Pick<WithdrawnMessage, 'recorded' | 'connection'>): Promise<void>;
  isWithdrawn(messageId: string): boolean;
  /** Cancels a message that has not begun to be sent; null when it has, or has ended. */
  cancel(messageId: string): Promise<Message | null>;
  /** The page can send what it could not: takes up what waited for that. */
  featuresChanged(instanceId: string): void;
  /** Returns the message as soon as WhatsApp Web has answered, null after `waitMs`. */
  settled(messageId: string, waitMs: number): Promise<Message | null>;
  /** Resends what a former page may or may not have sent, looks up missed acks, then sends what is queued. */
  instanceReady(instanceId: string, client: WhatsAppClient): Promise<void>;
  instanceGone(instanceId: string): void;
  /** Hands the page nothing more and waits for what is on the way; false when some of it has no answer after `timeoutMs`. The next `instanceReady` goes on. */
  drain(instanceId: string, timeoutMs: number): Promise<boolean>;
  /** Ends what was on the way as uncertain, because the page that could tell of it is lost; what waits goes on waiting. */
  doubt(instanceId: string): Promise<void>;
  /** Ends everything that waits, because the instance or its login is gone for good. */
  abandon(instanceId: string, reason: FailureReason): Promise<void>;
  onSent(instanceId: string, outcomes: SendOutcome[]): void;
  onAcks(instanceId: string, acks: SentMessage[]): void;
  /** Writes what is known but not yet committed. */
  flush(): Promise<void>;
  /** Looks after messages whose time has come, and those that the page does not answer for. */
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
  due: MessageDueStore;
  idempotency: Pick<Idempotency, 'forget'>;
  journal: WithdrawalJournal;
  announcer: Announcer;
  follower?: SendFollower;
  readBase64(mediaId: string): Promise<string>;
  /** Default: everything can be sent. */
  held?: HeldTypes;
  /** Hears how each send ended. */
  sendEnded?(message: Message, result: MessageState): void;
  clock: Clock;
  log: Logger;
  /** Pause before the second attempt; it grows with each. Default 2 s. */
  retryDelayMs?: number;
  /** How long a page must have stood before it gets what was on its way at the end of several others. Default 30 s. */
  steadyMs?: number;
}

const nothing: ReadonlySet<ContentType> = new Set();
const drainPollMs = 100;

/** Returns the outbox over all instances. */
export function createOutbox(deps: OutboxDeps): Outbox {
  const {
    database,
    messages,
    due,
    follower,
    readBase64,
    held = () => nothing,
    sendEnded,
    clock,
    log,
    retryDelayMs = 2_000,
    steadyMs = 30_000,
  } = deps;
  const lanes = createLanes(held, clock);
  /** How many undecided commits are dealt with. */
  let decided = database.undecided();
  const settling = createSettling();
  /** Rows that are being written, and whether they were taken from the queue meanwhile. */
  const written = new Map<string, { isTaken: boolean }>();
  const changes = createMessageChanges({ ...deps, ...(follower && { changed: follower.changed }) });
  const endings = createEndings({ changes, messages, due, settling, sendEnded, clock, log });
  const withdrawals = createWithdrawals(deps);
  const isWithdrawn = withdrawals.has;
  const sending = createSending({
    messages,
    lanes,
    endings,
    isWithdrawn,
    taken(messageId) {
      const row = written.get(messageId);
      if (row) row.isTaken = true;
    },
    readBase64,
    clock,
    log,
    retryDelayMs,
  });
  const timetable = createTimetable({
    due,
    write: changes.write,
    released: (instanceIds) => instanceIds.forEach(sending.queued),
    expired: endings.tell,
    clock,
    log,
  });
  const recovery = createRecovery({ messages, changes, endings, lanes, note: timetable.note, clock, log });
  const suspects = createSuspects({ lanes, recovery, dispatch: sending.dispatch, clock, log, steadyMs });

  function added(rows: Message[]): void {
    for (const message of rows) {
      timetable.note(dueOf(message));
      if (lanes.of(message.instanceId).isDeleted) void endings.end([message], 'cancelled', 'instance_deleted');
      if (message.state === 'queued') sending.queued(message.instanceId);
      if (message.state === 'sending') sending.admitted(message);
    }
  }

  // ---- life of an instance ----

  async function instanceReady(instanceId: string, client: WhatsAppClient): Promise<void> {
    const lane = lanes.of(instanceId);
    lane.turn += 1;
    const { turn } = lane;
    lane.client = null;
    // A row on its way from the table would be found there as interrupted, and handed over twice.
    await lanes.quiet(instanceId);
    if (lane.turn !== turn) return;
    lane.inFlight.clear();
    lane.suspects.clear();
    if (!(await changes.flush())) throw new Error('what became of messages is not written yet');
    const found = await recovery.interrupted(instanceId, client);
    // The page may have gone in the meantime.
    if (lane.turn !== turn) return;
    lane.client = client;
    lane.draining = false;
    lane.hasQueued = true;
    suspects.hold(instanceId, found.suspects);
    if (found.again.length > 0)
      await sending.dispatch(instanceId, await recovery.sendable(instanceId, client, found.again));
    sending.queued(instanceId);
    await recovery
      .reconcile(instanceId, client)
      .catch((error: unknown) =>
        log.error({ instance: instanceId, error: reasonOf(error) }, 'missed acks could not be looked up'),
      );
    if (lane.client === client) await follower?.ready(instanceId);
  }

  function instanceGone(instanceId: string): void {
    const lane = lanes.of(instanceId);
    lane.turn += 1;
    lane.client = null;
    lane.inFlight.clear();
    lane.suspects.clear();
    follower?.gone(instanceId);
  }

  async function drain(instanceId: string, timeoutMs: number): Promise<boolean> {
    const lane = lanes.of(instanceId);
    lane.draining = true;
    // What is being taken from the queue is handed over all the same.
    for (let waitedMs = 0; lane.pumping || lane.inFlight.size + lane.reserved > 0; waitedMs += drainPollMs) {
      if (waitedMs >= timeoutMs) return false;
      await clock.sleep(drainPollMs);
    }
    return true;
  }

  async function doubt(instanceId: string): Promise<void> {
    await lanes.quiet(instanceId);
    await changes.flush();
    await endings.endAll(instanceId, ['sending'], 'uncertain', 'profile_lost');
  }

  async function abandon(instanceId: string, reason: FailureReason): Promise<void> {
    instanceGone(instanceId);
    const isDeleted = reason === 'instance_deleted';
    if (isDeleted) lanes.of(instanceId).isDeleted = true;
    await lanes.quiet(instanceId);
    await changes.flush();
    await endings.endAll(instanceId, ['sending'], 'uncertain', reason);
    if (isDeleted) await endings.endAll(instanceId, ['scheduled', 'queued'], 'cancelled', reason);
    await follower?.abandoned(instanceId, reason);
  }

  // ---- after a commit of which nobody knows whether it happened ----

  /** Takes up rows on their way that nobody here holds, and what may wait in the queue untold. With no page, the next one does. */
  async function takeUpStrays(instanceId: string, lane: Lane): Promise<void> {
    // Nothing more is admitted past the queue.
    lane.hasQueued = true;
    await lanes.quiet(instanceId);
    const { client, turn } = lane;
    if (!client) return;
    lane.pumping = true;
    try {
      if (!(await changes.flush())) throw new Error('what became of messages is not written yet');
      const strays = await recovery.interrupted(instanceId, client);
      const sendable = strays.again.length > 0 ? await recovery.sendable(instanceId, client, strays.again) : [];
      // A page that came meanwhile has taken them up itself.
      if (lane.turn === turn) {
        suspects.hold(instanceId, strays.suspects);
        void sending.dispatch(instanceId, sendable);
      }
    } finally {
      lane.pumping = false;
    }
    sending.queued(instanceId);
  }

  async function settleDoubts(): Promise<void> {
    const count = database.undecided();
    if (count === decided) return;
    await timetable.look();
    for (const [instanceId, lane] of lanes) await takeUpStrays(instanceId, lane);
    decided = count;
  }

  async function tick(): Promise<void> {
    sending.giveUpLate();
    await timetable.tick();
    await settleDoubts();
  }

  async function close(): Promise<void> {
    endings.close();
    withdrawals.close();
    sending.close();
    for (const [, lane] of lanes) lane.client = null;
    await timetable.close();
    await changes.close();
    settling.close();
  }

  return {
    async start() {
      await withdrawals.start();
      await timetable.start();
    },
    admit: lanes.admit,
    added,
    released: lanes.released,
    writing(messageId) {
      const row = { isTaken: false };
      written.set(messageId, row);
      return { isTaken: () => row.isTaken, end: () => void written.delete(messageId) };
    },
    async withdraw(message, { recorded, connection }) {
      await withdrawals.add({ kind: 'message', id: message.id, due: dueOf(message), recorded, connection });
    },
    isWithdrawn,
    cancel: endings.cancel,
    featuresChanged: sending.queued,
    settled: settling.settled,
    instanceReady,
    instanceGone,
    drain,
    doubt,
    abandon,
    onSent: sending.onSent,
    onAcks: changes.acked,
    flush: async () => void (await changes.flush()),
    tick,
    close,
  };
}
