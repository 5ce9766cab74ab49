import type { Journal } from './journal.ts';
import type { AckLevel, MessageRecord, NetworkRecord } from './records.ts';
import { newPerson } from './state.ts';
import type { Device, NetworkState, Pending, StoredMessage } from './state.ts';
import { messageKey } from './address.ts';
import { offlineDoneNode, offlinePreviewNode } from './signals.ts';

/** One open connection of a page. */
export interface Session {
  /** Key of the linked device, once it has shown one that is linked. */
  device?: string;
  /** Sends a frame that answers nothing. */
  push(frame: Record<string, unknown>): void;
  /** Ends the connection: `cut` as a broken line does, anything else with the reason told. */
  close(reason: 'cut' | 'conflict' | 'stop'): void;
}

/** The server side of the network: takes facts in, keeps them, and hands them to whom they concern. */
export interface Exchange {
  readonly state: NetworkState;
  /** Writes a fact to the journal, then applies and delivers it. */
  commit(record: NetworkRecord): void;
  /** Takes in a message once; a second arrival of the same id from the same sender is only counted. */
  accept(message: Omit<MessageRecord, 'kind' | 'wanted'>): StoredMessage;
  /** How far messages are acknowledged now; at 0 not even the server answers. */
  acks(): AckLevel;
  /** Gives the person behind a phone, made on first mention. */
  person(phone: string, details?: { name?: string; lidKnown?: boolean }): ReturnType<typeof newPerson>;
  /** Marks that a recipient's level of a message rose. */
  receipt(message: StoredMessage, phone: string, level: AckLevel): void;
  /** Hands a linked page everything that waited for it, then all that comes. */
  attach(session: Session, device: Device): void;
  detach(session: Session): void;
  sessionOf(device: string): Session | undefined;
  /** Tells listeners of a message that somebody changed. */
  changed(message: StoredMessage): void;
  setAcks(acks: AckLevel): void;
  onMessage(listener: (message: StoredMessage) => void): () => void;
  /** Gives simulated people's receipts that a stop cut off. */
  resume(): void;
  /** Gives no more receipts: the journal is about to be closed. */
  stop(): void;
}

const STANZAS_PER_FRAME = 200;

function countKinds(queue: readonly Pending[]): { messages: number; receipts: number; notifications: number } {
  const count = (kinds: string[]): number => queue.filter(({ record }) => kinds.includes(record.kind)).length;
  // Changes of messages travel as messages.
  return { messages: count(['message', 'change']), receipts: count(['receipt']), notifications: count(['group']) };
}

/** Makes the exchange over a loaded state. `toWire` turns a waiting fact into what the page is told. */
export function createExchange(options: {
  journal: Journal;
  state: NetworkState;
  acks: AckLevel;
  now: () => number;
  toWire: (device: Device, pending: Pending) => Record<string, unknown>;
}): Exchange {
  const { journal, state, now, toWire } = options;
  const sessions = new Map<string, Session>();
  const outgoing = new Map<string, Pending[]>();
  const listeners = new Set<(message: StoredMessage) => void>();
  let acks = options.acks;
  let stopped = false;

  function flush(device: Device): void {
    const waiting = outgoing.get(device.device) ?? [];
    outgoing.delete(device.device);
    const session = sessions.get(device.device);
    if (!session) return;
    for (let start = 0; start < waiting.length; start += STANZAS_PER_FRAME) {
      const stanzas = waiting.slice(start, start + STANZAS_PER_FRAME).map((pending) => toWire(device, pending));
      session.push({ op: 'stanzas', stanzas });
    }
  }

  function commit(record: NetworkRecord): void {
    for (const device of state.apply(record, journal.append(record))) {
      if (!sessions.has(device.device)) continue;
      const pending = device.queue.at(-1) as Pending;
      const waiting = outgoing.get(device.device);
      if (waiting) {
        waiting.push(pending);
      } else {
        outgoing.set(device.device, [pending]);
        setImmediate(() => flush(device));
      }
    }
  }

  function person(phone: string, details: { name?: string; lidKnown?: boolean } = {}): ReturnType<typeof newPerson> {
    const known = state.people.get(phone);
    const wanted = newPerson(phone, { ...known, ...details });
    if (!known || known.name !== wanted.name || known.lidKnown !== wanted.lidKnown) commit(wanted);
    return wanted;
  }

  function receipt(message: StoredMessage, phone: string, level: AckLevel): void {
    if ((message.levels.get(phone) ?? 3) >= level) return;
    const before = message.acks;
    commit({ kind: 'receipt', key: message.key, phone, level, at: now() });
    if (message.acks !== before) for (const listener of listeners) listener(message);
  }

  /** Simulated people receive and read at once, in separate steps as real ones do. */
  function acknowledge(message: StoredMessage): void {
    if (stopped) return;
    const simulated = [...message.levels.keys()].filter((phone) => state.devicesOf(phone).length === 0);
    for (const level of [2, 3] as const) {
      if (message.wanted < level) return;
      for (const phone of simulated) receipt(message, phone, level);
    }
  }

  function accept(message: Omit<MessageRecord, 'kind' | 'wanted'>): StoredMessage {
    const key = messageKey(message.fromPhone, message.id);
    const known = state.messages.get(key);
    if (known) {
      commit({ kind: 'repeat', key });
      if (acks > 0) for (const phone of known.levels.keys()) receipt(known, phone, 1);
      return known;
    }
    commit({ kind: 'message', ...message, wanted: acks });
    const stored = state.messages.get(key) as StoredMessage;
    for (const listener of listeners) listener(stored);
    setImmediate(() => acknowledge(stored));
    return stored;
  }

  return {
    state,
    commit,
    accept,
    acks: () => acks,
    person,
    receipt,
    attach(session, device) {
      sessions.get(device.device)?.close('conflict');
      session.device = device.device;
      sessions.set(device.device, session);
      const { queue } = device;
      outgoing.set(device.device, [...queue]);
      session.push({ op: 'wap', node: offlinePreviewNode(countKinds(queue)) });
      flush(device);
      session.push({ op: 'wap', node: offlineDoneNode(queue.length) });
      session.push({ op: 'offline_done' });
    },
    detach(session) {
      if (session.device !== undefined && sessions.get(session.device) === session) sessions.delete(session.device);
    },
    sessionOf: (device) => sessions.get(device),
    changed(message) {
      for (const listener of listeners) listener(message);
    },
    setAcks(level) {
      acks = level;
    },
    onMessage(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    resume() {
      for (const message of state.messages.values()) if (message.acks < message.wanted) acknowledge(message);
    },
    stop() {
      stopped = true;
    },
  };
}
