import { reasonOf } from '../../model/errors.ts';
import type { Jid } from '../../model/jid.ts';
import type { ReceivedMessage } from '../../whatsapp/client.ts';

/**
 * What an instance has received while nobody listened, as its page tells it, chat by chat. What arrives in a chat meanwhile waits until
 * the past of that chat is told, but not for long.
 */
export interface Past {
  /** False while something of the time before may be untold. */
  readonly isTold: boolean;
  /** True also when it was waited for long enough. */
  readonly isHeard: boolean;
  /** Resolves when nothing waits. */
  readonly released: Promise<void>;
  /** A new page begins, and has everything to tell. */
  begin(): void;
  /** The page is gone: what waits goes on waiting, for the next one. */
  leave(): void;
  /** Takes a message that must wait; false when it need not. */
  keeps(message: ReceivedMessage): boolean;
  /**
   * Has a page tell what is untold. @throws Error of a chat that it did not tell: the next call asks for it again. When campaigns wait no
   * longer, a page that told of others has been asked often enough for such a chat, and it is given up
   */
  ask(page: PastOfPage): Promise<void>;
}

/** What a page is asked for. */
interface PastOfPage {
  /** Chats in which something happened, those where it was the longest ago first. */
  chats(): Promise<Jid[]>;
  /** What came in one of them, oldest first. */
  received(chat: Jid): Promise<ReceivedMessage[]>;
  /** Resolves when what was told is written. */
  written(): Promise<void>;
}

/** How long is waited for a page, ms. */
export interface PastLimits {
  /** What arrives waits behind the past of its chat. Most chats are read in milliseconds; later, a person waits for an answer. */
  holdMs: number;
  /** Campaigns wait for what people have written: among it are opt-outs. */
  hearMs: number;
}

export const usualPastLimits: PastLimits = { holdMs: 10_000, hearMs: 600_000 };

/** A chat that takes long holds up only those behind it. */
const readers = 3;

/** Returns the past of one instance; `tell` is given messages, those of a chat in their order. */
export function createPast(deps: {
  tell(messages: ReceivedMessage[]): void;
  /** Hears that `isHeard` has become true. */
  heard(isComplete: boolean): void;
  /** Hears of chats whose past stays unknown, each with what the page said. */
  gaveUp(failures: ReadonlyMap<Jid, unknown>): void;
  limits: PastLimits;
}): Past {
  const { tell, heard, gaveUp, limits } = deps;
  /** Chats that are not told yet; null: which these are is not known. */
  let untold: Set<Jid> | null = null;
  let early: ReceivedMessage[] = [];
  let isTold = true;
  let isHeard = true;
  /** Whether the page has told of a chat: one that tells of none may be mended by an update, and then tells everything. */
  let isTelling = false;
  /** Whether it was given all its time. */
  let isOver = false;
  let hold: { over: Promise<void>; end(): void } | null = null;
  let turn = 0;
  let timers: NodeJS.Timeout[] = [];

  function leave(): void {
    turn += 1;
    timers.forEach(clearTimeout);
    timers = [];
    isOver = false;
  }

  function begin(): void {
    leave();
    untold = null;
    isTold = false;
    isHeard = false;
    isTelling = false;
    let end = (): void => undefined;
    const over = new Promise<void>((resolve) => (end = resolve));
    hold ??= { over, end };
  }

  function keeps(message: ReceivedMessage): boolean {
    if (!hold || (untold && !untold.has(message.chat))) return false;
    early.push(message);
    return true;
  }

  /** Tells what waits in these chats. */
  function letGo(isMeant: (chat: Jid) => boolean, before: ReceivedMessage[] = []): void {
    const waited = early.filter(({ chat }) => isMeant(chat));
    early = early.filter(({ chat }) => !isMeant(chat));
    if (before.length + waited.length > 0) tell([...before, ...waited]);
  }

  function release(): void {
    letGo(() => true);
    hold?.end();
    hold = null;
  }

  function hear(isComplete: boolean): void {
    const isNews = !isHeard;
    isHeard = true;
    if (isNews) heard(isComplete);
  }

  function endPatience(): void {
    isOver = true;
    hear(false);
  }

  async function ask(page: PastOfPage): Promise<void> {
    turn += 1;
    const mine = turn;
    const isMine = () => mine === turn;
    isTold = false;
    if (timers.length === 0)
      timers = [setTimeout(release, limits.holdMs).unref(), setTimeout(endPatience, limits.hearMs).unref()];

    if (!untold) {
      const chats = new Set(await page.chats());
      if (!isMine()) return;
      untold = chats;
      letGo((chat) => !chats.has(chat));
    }
    const failures = await readAll(untold, page, isMine);
    if (!isMine()) return;
    if (failures.size > 0 && isOver && isTelling) gaveUp(failures);
    else if (failures.size > 0)
      throw new Error(`The page did not tell of ${failures.size} chats: ${reasonOf([...failures.values()][0])}`);
    release();
    await page.written();
    if (!isMine()) return;
    leave();
    untold = null;
    isTold = true;
    hear(true);
  }

  /** Reads chats until all are told or have failed, returns the failures. */
  async function readAll(chats: Set<Jid>, page: PastOfPage, isMine: () => boolean): Promise<Map<Jid, unknown>> {
    const left = new Set(chats);
    const failures = new Map<Jid, unknown>();

    /** Chats in which something waits come first. */
    function next(): Jid | undefined {
      const chat = early.find((message) => left.has(message.chat))?.chat ?? left.values().next().value;
      if (chat) left.delete(chat);
      return chat;
    }

    async function read(): Promise<void> {
      for (let chat = next(); chat && isMine(); chat = next()) {
        const name = chat;
        try {
          const received = await page.received(name);
          if (!isMine()) return;
          chats.delete(name);
          isTelling = true;
          letGo((one) => one === name, received);
        } catch (error) {
          failures.set(name, error);
        }
      }
    }

    await Promise.all(Array.from({ length: readers }, read));
    return failures;
  }

  return {
    get isTold() {
      return isTold;
    },
    get isHeard() {
      return isHeard;
    },
    get released() {
      return hold?.over ?? Promise.resolve();
    },
    begin,
    leave,
    keeps,
    ask,
  };
}
