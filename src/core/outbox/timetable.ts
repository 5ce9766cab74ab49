import type { Knex } from 'knex';
import type { Logger } from 'pino';
import { reasonOf } from '../../model/errors.ts';
import type { Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { DueMessage, MessageDueStore } from '../../store/message-due.ts';

/** Moves messages when their time comes: scheduled ones into the queue, those whose time to live is over out of it. */
interface Timetable {
  /** Moves what came due while nobody looked, and from then on each at its time. */
  start(): Promise<void>;
  /** Takes note of messages that were written. */
  note(due: readonly DueMessage[]): void;
  /** Looks now: there may be times that nobody noted. */
  look(): Promise<void>;
  /** Looks whether the clock has jumped over a time; costs nothing otherwise. */
  tick(): Promise<void>;
  close(): Promise<void>;
}

interface TimetableDeps {
  due: MessageDueStore;
  /** Runs a transaction that changes messages, and tells of those it returns. */
  write(work: (trx: Knex.Transaction) => Promise<Message[]>): Promise<Message[]>;
  /** These instances have something to send. */
  released(instanceIds: string[]): void;
  expired(messages: Message[]): void;
  clock: Clock;
  log: Logger;
}

const batchRows = 200;
const retryMs = 1_000;
/** Node's timers overflow beyond 2³¹ ms. */
const longestTimerMs = 2 ** 31 - 1;

/** Returns the timetable of all messages. Only the next time is kept in memory, and one timer. */
export function createTimetable({ due, write, released, expired, clock, log }: TimetableDeps): Timetable {
  /** When the next look is due; it is not known before the first. */
  let nextAt = 0;
  /** The earliest time that came in during a look. */
  let notedAt = Infinity;
  let looking: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;

  function look(): Promise<void> {
    if (timer) clearTimeout(timer);
    timer = null;
    looking ??= lookOnce().finally(() => {
      looking = null;
      nextAt = Math.min(nextAt, notedAt);
      arm();
    });
    return looking;
  }

  async function lookOnce(): Promise<void> {
    notedAt = Infinity;
    try {
      for (let more = true; more;) more = !closed && (await moveBatch());
      nextAt = Math.min((await due.nextAt()) ?? Infinity, notedAt);
    } catch (error) {
      nextAt = clock.now() + retryMs;
      log.error({ error: reasonOf(error) }, 'messages that are due could not be moved: trying again');
    }
  }

  /** One short transaction; returns whether there may be more. */
  async function moveBatch(): Promise<boolean> {
    const now = clock.now();
    const batch = await due.due(now, batchRows);
    if (batch.length === 0) return false;
    const ids = batch.map(({ id }) => id);
    let ready: string[] = [];
    const over = await write(async (trx) => {
      ready = await due.release(trx, ids, now);
      const ended = await due.expire(trx, ids, now);
      await due.clear(trx, batch);
      return ended;
    });
    expired(over);
    released(ready);
    return true;
  }

  function arm(): void {
    if (closed || timer || looking || nextAt === Infinity) return;
    const delayMs = Math.min(Math.max(nextAt - clock.now(), 0), longestTimerMs);
    timer = setTimeout(() => void look(), delayMs);
  }

  return {
    start: look,
    look,

    note(rows) {
      const at = Math.min(...rows.map(({ dueAt }) => dueAt));
      notedAt = Math.min(notedAt, at);
      if (looking || at >= nextAt) return;
      nextAt = at;
      if (timer) clearTimeout(timer);
      timer = null;
      arm();
    },

    async tick() {
      if (!closed && nextAt <= clock.now()) await look();
    },

    async close() {
      closed = true;
      if (timer) clearTimeout(timer);
      await looking;
    },
  };
}
