import type { Logger } from 'pino';
import { reasonOf } from '../../model/errors.ts';
import type { Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { MessageStore } from '../../store/messages.ts';
import type { SendOutcome } from '../../whatsapp/client.ts';
import type { Endings } from './endings.ts';
import { answerTimeoutOf, createHandOver } from './hand-over.ts';
import { type InFlight, type Lane, type Lanes, roomIn } from './lanes.ts';

/** The way from the queue to the page, and of its answers back. */
export interface Sending {
  /** Says that something may wait in the queue of an instance. */
  queued(instanceId: string): void;
  /** Takes over a committed row for which the lane kept a place. */
  admitted(message: Message): void;
  /** Hands messages in `sending` to the page. A page that is gone leaves them so: they are resolved at the next ready. */
  dispatch(instanceId: string, rows: Message[]): Promise<void>;
  onSent(instanceId: string, outcomes: SendOutcome[]): void;
  /** Takes it as an error when the page has not answered in time. */
  giveUpLate(): void;
  /** Tries nothing again from now on. */
  close(): void;
}

interface SendingDeps {
  messages: Pick<MessageStore, 'claimNext'>;
  lanes: Lanes;
  endings: Pick<Endings, 'accepted' | 'end'>;
  /** Tells what must not be sent any more. */
  isWithdrawn(messageId: string): boolean;
  /** Hears what the page gets. */
  taken(messageId: string): void;
  readBase64(mediaId: string): Promise<string>;
  clock: Pick<Clock, 'now' | 'sleep'>;
  log: Logger;
  /** Pause before the second attempt; it grows with each. */
  retryDelayMs: number;
}

type SendError = Extract<SendOutcome, { result: 'error' }>;

/** So often a page may say that a message went wrong. */
const mostErrors = 5;

/** Returns the way over all instances. */
export function createSending(deps: SendingDeps): Sending {
  const { messages, lanes, endings, isWithdrawn, taken, readBase64, clock, log, retryDelayMs } = deps;
  const handOver = createHandOver(readBase64, clock);
  const timers = new Set<NodeJS.Timeout>();
  let closed = false;

  function later(delayMs: number, work: () => void): void {
    if (closed) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, delayMs);
    timers.add(timer);
  }

  // ---- from the queue to the page ----

  function admitted(message: Message): void {
    lanes.of(message.instanceId).reserved -= 1;
    void dispatch(message.instanceId, [message]);
  }

  function queued(instanceId: string): void {
    const lane = lanes.of(instanceId);
    lane.hasQueued = true;
    void pump(instanceId, lane);
  }

  async function pump(instanceId: string, lane: Lane): Promise<void> {
    if (lane.pumping || closed) return;
    lane.pumping = true;
    try {
      while (lane.client && lane.hasQueued && roomIn(lane) > 0) {
        lane.hasQueued = false;
        const limit = roomIn(lane);
        const except = [...lanes.held(instanceId)];
        const claimed = await messages.claimNext({ instanceId, limit, now: clock.now(), except });
        if (claimed.length === limit) lane.hasQueued = true;
        if (claimed.length > 0) void dispatch(instanceId, claimed);
      }
    } catch (error) {
      lane.hasQueued = true;
      log.error({ instance: instanceId, error: reasonOf(error) }, 'the queue could not be read');
      later(1_000, () => void pump(instanceId, lane));
    } finally {
      lane.pumping = false;
    }
  }

  async function dispatch(instanceId: string, given: Message[]): Promise<void> {
    const lane = lanes.of(instanceId);
    const client = lane.client;
    const rows = given.filter(({ id }) => !isWithdrawn(id));
    for (const message of rows) {
      taken(message.id);
      const errors = lane.inFlight.get(message.waId)?.errors ?? 0;
      lane.inFlight.set(message.waId, { message, errors, deadlineAt: Number.POSITIVE_INFINITY });
    }
    if (!client) return;
    const isRetry = ({ waId, attempts }: Message) => attempts > 1 || (lane.inFlight.get(waId)?.errors ?? 0) > 0;
    const { ready, missing } = await handOver(rows, isRetry);
    if (lane.client !== client) return;
    // The page's time begins when it has the message: a file may have had to wait for the database.
    for (const message of rows) {
      const entry = lane.inFlight.get(message.waId);
      if (entry?.message === message) entry.deadlineAt = clock.now() + answerTimeoutOf(message);
    }
    for (const { message, detail } of missing) {
      log.warn({ instance: instanceId, message: message.waId, error: detail }, 'the file of a message is gone');
      onSent(instanceId, [{ result: 'refused', waId: message.waId, reason: 'media_missing', detail }]);
    }
    try {
      if (ready.length > 0) await client.send(ready);
    } catch (error) {
      if (lane.client !== client) return;
      onSent(
        instanceId,
        ready.map(({ waId }) => ({ result: 'error', waId, detail: reasonOf(error) })),
      );
    }
  }

  // ---- from the page to the rows ----

  function onSent(instanceId: string, outcomes: SendOutcome[]): void {
    const lane = lanes.of(instanceId);
    for (const outcome of outcomes) {
      const entry = lane.inFlight.get(outcome.waId);
      if (!entry) continue;
      if (outcome.result === 'error') retry(instanceId, lane, entry, outcome);
      else {
        lane.inFlight.delete(outcome.waId);
        if (outcome.result === 'accepted') endings.accepted(entry.message, outcome);
        else void endings.end([entry.message], 'failed', outcome.reason);
      }
    }
    void pump(instanceId, lane);
  }

  /** Sending the same id again is safe: the page looks it up first. Its slot is kept, so the order stays. */
  function retry(instanceId: string, lane: Lane, entry: InFlight, { detail, unanswered }: SendError): void {
    const { message } = entry;
    const errors = entry.errors + 1;
    log.warn({ instance: instanceId, message: message.waId, errors, detail }, 'a send went wrong');
    if (errors >= mostErrors) {
      lane.inFlight.delete(message.waId);
      void (unanswered
        ? endings.end([message], 'uncertain', 'no_answer_from_page')
        : endings.end([message], 'failed', 'rejected_by_whatsapp'));
      return;
    }
    const next = { message, errors, deadlineAt: Number.POSITIVE_INFINITY };
    lane.inFlight.set(message.waId, next);
    later(retryDelayMs * errors, () => {
      if (lane.client && lane.inFlight.get(message.waId) === next) void dispatch(instanceId, [message]);
    });
  }

  function giveUpLate(): void {
    const now = clock.now();
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

  function close(): void {
    closed = true;
    for (const timer of timers) clearTimeout(timer);
  }

  return { queued, admitted, dispatch, onSent, giveUpLate, close };
}
