import type { OutgoingContent } from '../../model/content.ts';
import type { Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { WhatsAppClient } from '../../whatsapp/client.ts';

/** One instance's sender. */
export interface Lane {
  client: WhatsAppClient | null;
  /** By WhatsApp id: handed to the page, no outcome yet. */
  inFlight: Map<string, InFlight>;
  /** By WhatsApp id: on their way at the end of several pages, and not handed to this one yet. */
  suspects: Map<string, Message>;
  /** Admitted, but not committed yet. */
  reserved: number;
  /** False only when the table is known to hold no queued row. */
  hasQueued: boolean;
  pumping: boolean;
  /** Nothing more is handed to the page: it is to be closed. */
  draining: boolean;
  /** Counts the pages that came and went. */
  turn: number;
  /** The instance is deleted: what is still written for it is not sent. */
  isDeleted: boolean;
}

/** A message that the page has. */
export interface InFlight {
  message: Message;
  /** How often this page has said that it went wrong. */
  errors: number;
  deadlineAt: number;
}

/** A kind of content that can be sent. */
export type ContentType = OutgoingContent['type'];

/** Tells what the page of an instance cannot send for now: such messages wait. */
export type HeldTypes = (instanceId: string) => ReadonlySet<ContentType>;

/** The senders of all instances. */
export interface Lanes extends Iterable<[instanceId: string, lane: Lane]> {
  of(instanceId: string): Lane;
  held: HeldTypes;
  /** Says in which state a new row is to be written: `sending` when the page can take it at once, and then its place is kept. */
  admit(instanceId: string, type?: ContentType): 'queued' | 'sending';
  released(instanceId: string): void;
  /** Resolves when no row is between the table and the page: taken from the queue, or admitted, but not handed over. */
  quiet(instanceId: string): Promise<void>;
}

/** Messages handed to the page ahead; it sends them one after another. */
const pageDepth = 16;

const quietPollMs = 20;

/** Returns no senders; each is there when it is first asked for. */
export function createLanes(held: HeldTypes, clock: Pick<Clock, 'sleep'>): Lanes {
  const lanes = new Map<string, Lane>();

  function of(instanceId: string): Lane {
    let lane = lanes.get(instanceId);
    if (!lane) {
      lane = {
        client: null,
        inFlight: new Map(),
        suspects: new Map(),
        reserved: 0,
        hasQueued: true,
        pumping: false,
        draining: false,
        turn: 0,
        isDeleted: false,
      };
      lanes.set(instanceId, lane);
    }
    return lane;
  }

  return {
    of,
    held,
    [Symbol.iterator]: () => lanes[Symbol.iterator](),

    admit(instanceId, type) {
      const lane = of(instanceId);
      if (type && held(instanceId).has(type)) return 'queued';
      if (!lane.client || lane.hasQueued || lane.pumping || roomIn(lane) <= 0) return 'queued';
      lane.reserved += 1;
      return 'sending';
    },

    released(instanceId) {
      of(instanceId).reserved -= 1;
    },

    async quiet(instanceId) {
      const lane = of(instanceId);
      while (lane.pumping || lane.reserved > 0) await clock.sleep(quietPollMs);
    },
  };
}

/** Returns how many more messages the page may be handed. */
export function roomIn(lane: Lane): number {
  return lane.draining ? 0 : pageDepth - lane.inFlight.size - lane.reserved;
}
