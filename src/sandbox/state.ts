import { isOnWhatsApp, lidOf, messageKey, splitJid } from './address.ts';
import type {
  AckLevel,
  ChangeRecord,
  DeviceRecord,
  GroupRecord,
  MessageRecord,
  NetworkRecord,
  PersonRecord,
  ReceiptRecord,
} from './records.ts';

/** Something a linked device must still be told: the journal line it stands in and what it was. */
export interface Pending {
  line: number;
  record: MessageRecord | GroupRecord | ReceiptRecord | ChangeRecord;
  /** The message that a receipt or a change belongs to; for a receipt also the level that the sender now sees. */
  message?: StoredMessage;
  level?: AckLevel;
}

/** A linked device and what waits for it, oldest first. */
export interface Device extends DeviceRecord {
  queue: Pending[];
}

/** A message with what happened to it since. */
export interface StoredMessage extends MessageRecord {
  key: string;
  repeats: number;
  /** The level every recipient has reached, which is what the sender sees. */
  acks: AckLevel;
  changedAt: number;
  /** Recipient phones and the level each has reached. */
  levels: Map<string, AckLevel>;
  edited?: true;
  /** Deleted for everyone. */
  revoked?: true;
  /** Phones and what they reacted with. */
  reactions: Map<string, string>;
}

/** The network as its journal tells it. */
export interface NetworkState {
  readonly people: Map<string, PersonRecord>;
  readonly devices: Map<string, Device>;
  readonly groups: Map<string, GroupRecord>;
  readonly messages: Map<string, StoredMessage>;
  /** Takes in one record; live and while loading alike. Gives the devices that got something to be told. */
  apply(record: NetworkRecord, line: number): Device[];
  devicesOf(phone: string): Device[];
  /** The phone behind a `@c.us` or `@lid` address, or undefined when nobody is there. */
  phoneOf(jid: string): string | undefined;
  /** Phones that a message to `jid` reaches, without the sender's own. */
  recipients(jid: string, fromPhone: string): string[];
  /** Messages that `reader` got in chat `chat` (an address as the reader sees it) and has not read. */
  unread(reader: string, chat: string): StoredMessage[];
}

/** Makes an empty network; the journal fills it. */
export function createNetworkState(): NetworkState {
  const people = new Map<string, PersonRecord>();
  const phoneByLid = new Map<string, string>();
  const devices = new Map<string, Device>();
  const devicesByPhone = new Map<string, Device[]>();
  const groups = new Map<string, GroupRecord>();
  const messages = new Map<string, StoredMessage>();
  const unreadByChat = new Map<string, Set<StoredMessage>>();

  const devicesOf = (phone: string): Device[] => devicesByPhone.get(phone) ?? [];

  function phoneOf(jid: string): string | undefined {
    const { user, server } = splitJid(jid);
    if (server === 'lid') return phoneByLid.get(user);
    return server === 'c.us' && isOnWhatsApp(user) ? user : undefined;
  }

  function recipients(jid: string, fromPhone: string): string[] {
    if (jid.endsWith('@g.us')) return (groups.get(jid)?.members ?? []).filter((phone) => phone !== fromPhone);
    const phone = phoneOf(jid);
    return phone === undefined ? [] : [phone];
  }

  const unreadKey = (reader: string, chat: string): string => `${reader} ${chat}`;

  /** The chat in which a recipient finds the message: the group, or the sender. */
  const chatOf = (message: MessageRecord): string => (message.to.endsWith('@g.us') ? message.to : message.from);

  function tell(phones: string[], pending: Pending, except?: string): Device[] {
    const told = phones.flatMap(devicesOf).filter(({ device }) => device !== except);
    for (const device of told) device.queue.push(pending);
    return told;
  }

  const appliers: {
    [K in NetworkRecord['kind']]: (record: Extract<NetworkRecord, { kind: K }>, line: number) => Device[];
  } = {
    person(record) {
      people.set(record.phone, record);
      phoneByLid.set(record.lid, record.phone);
      return [];
    },
    device(record) {
      const device: Device = { ...record, queue: [] };
      devices.set(record.device, device);
      devicesByPhone.set(record.phone, [...devicesOf(record.phone), device]);
      return [];
    },
    unlink(record) {
      const device = devices.get(record.device);
      if (!device) return [];
      devices.delete(record.device);
      devicesByPhone.set(
        device.phone,
        devicesOf(device.phone).filter((other) => other !== device),
      );
      return [];
    },
    group(record, line) {
      groups.set(record.id, record);
      return tell(record.members, { line, record });
    },
    message(record, line) {
      const to = recipients(record.to, record.fromPhone);
      const server = Math.min(1, record.wanted) as AckLevel;
      const message: StoredMessage = {
        ...record,
        key: messageKey(record.fromPhone, record.id),
        repeats: 0,
        acks: server,
        changedAt: record.at,
        levels: new Map(to.map((phone) => [phone, server])),
        reactions: new Map(),
      };
      messages.set(message.key, message);
      for (const phone of to) {
        const chat = unreadKey(phone, chatOf(record));
        const unread = unreadByChat.get(chat) ?? new Set();
        unreadByChat.set(chat, unread.add(message));
      }
      return tell([...to, record.fromPhone], { line, record: message }, record.device);
    },
    repeat(record) {
      const message = messages.get(record.key);
      if (message) message.repeats += 1;
      return [];
    },
    receipt(record, line) {
      const message = messages.get(record.key);
      const before = message?.levels.get(record.phone);
      if (!message || before === undefined || before >= record.level) return [];
      message.levels.set(record.phone, record.level);
      if (record.level === 3) unreadByChat.get(unreadKey(record.phone, chatOf(message)))?.delete(message);
      const level = Math.min(...message.levels.values()) as AckLevel;
      if (level <= message.acks) return [];
      message.acks = level;
      message.changedAt = record.at;
      return tell([message.fromPhone], { line, record, message, level });
    },
    change(record, line) {
      const message = messages.get(record.key);
      if (!message) return [];
      changes[record.what](message, record);
      message.changedAt = record.at;
      const phones = record.what === 'remove' ? [record.by] : [...message.levels.keys(), message.fromPhone];
      return tell(phones, { line, record, message });
    },
    got(record) {
      const queue = devices.get(record.device)?.queue ?? [];
      let done = 0;
      while (done < queue.length && (queue[done] as Pending).line <= record.line) done += 1;
      queue.splice(0, done);
      return [];
    },
  };

  return {
    people,
    devices,
    groups,
    messages,
    apply: (record, line) => (appliers[record.kind] as (record: NetworkRecord, line: number) => Device[])(record, line),
    devicesOf,
    phoneOf,
    recipients,
    unread: (reader, chat) => [...(unreadByChat.get(unreadKey(reader, chat)) ?? [])],
  };
}

/** What each kind of change makes of a message. */
const changes: Record<ChangeRecord['what'], (message: StoredMessage, change: ChangeRecord) => void> = {
  edit(message, { text }) {
    message.edited = true;
    message.content = { ...message.content, [message.content['directPath'] === undefined ? 'body' : 'caption']: text };
  },
  revoke(message) {
    message.revoked = true;
    message.content = { type: 'revoked' };
  },
  remove: () => undefined,
  react(message, { by, text }) {
    if (text) message.reactions.set(by, text);
    else message.reactions.delete(by);
  },
};

/** Makes the record of a number that nobody has named yet. */
export function newPerson(phone: string, details: { name?: string; lidKnown?: boolean } = {}): PersonRecord {
  return { kind: 'person', phone, lid: lidOf(phone), ...details };
}
