/** The facts of the fake WhatsApp network as they are written to its journal, one JSON line each. */

/** A delivery level as WhatsApp counts it: 0 pending, 1 server, 2 device, 3 read. */
export type AckLevel = 0 | 1 | 2 | 3;

/** What a message says, in the words of a WhatsApp Web message model (`type`, `body`, `caption`, `mimetype`, `directPath` …). */
export type WireContent = { type: string } & Record<string, unknown>;

/** A number that exists on the network. `lid` is bare digits; `lidKnown` false means pages are not told the phone behind the LID. */
export interface PersonRecord {
  kind: 'person';
  phone: string;
  lid: string;
  name?: string;
  lidKnown?: boolean;
}

/** A browser that became a linked device of `phone`. `device` is the key that the page made. */
export interface DeviceRecord {
  kind: 'device';
  device: string;
  phone: string;
  /** The companion number WhatsApp gives, as in `491701234567:2@c.us`. */
  number: number;
  at: number;
}

/** A linked device was removed, by the phone or by its own logout. */
interface UnlinkRecord {
  kind: 'unlink';
  device: string;
}

/** A group was made. Members are phones, the owner among them. */
export interface GroupRecord {
  kind: 'group';
  id: string;
  subject: string;
  owner: string;
  members: string[];
  at: number;
}

/** A message reached the server. */
export interface MessageRecord {
  kind: 'message';
  id: string;
  from: string;
  fromPhone: string;
  to: string;
  /** The sender as its key in a group names it. */
  author?: string;
  /** The linked device that sent it; absent when a simulated person did. */
  device?: string;
  at: number;
  /** How far simulated people will acknowledge it. */
  wanted: AckLevel;
  content: WireContent;
}

/** Somebody changed a message: its text, its being there (for everyone, or on the phone `by` alone), or their reaction to it. */
export interface ChangeRecord {
  kind: 'change';
  what: 'edit' | 'revoke' | 'remove' | 'react';
  /** The message that is changed. */
  key: string;
  /** The id of the change itself: changes travel as messages. */
  id: string;
  by: string;
  /** The address that `by` acts from. */
  from: string;
  at: number;
  /** The new text, or the emoji. */
  text?: string;
}

/** The same message id arrived again from the same sender. */
interface RepeatRecord {
  kind: 'repeat';
  key: string;
}

/** One recipient reached a delivery level. */
export interface ReceiptRecord {
  kind: 'receipt';
  key: string;
  phone: string;
  level: AckLevel;
  at: number;
}

/** A linked device has stored everything up to journal line `line`. */
interface GotRecord {
  kind: 'got';
  device: string;
  line: number;
}

/** Every fact the journal can hold. */
export type NetworkRecord =
  | PersonRecord
  | DeviceRecord
  | UnlinkRecord
  | GroupRecord
  | MessageRecord
  | RepeatRecord
  | ReceiptRecord
  | ChangeRecord
  | GotRecord;
