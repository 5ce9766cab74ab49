import { randomBytes, randomInt } from 'node:crypto';
import { toPhone, isOnWhatsApp } from './address.ts';
import type { Exchange } from './exchange.ts';
import type { MediaStore } from './media.ts';
import type { Pairing } from './pairing.ts';
import type { AckLevel, PersonRecord, WireContent } from './records.ts';
import { presentMessage } from './present.ts';
import type { SandboxMessage } from './present.ts';
import type { StoredMessage } from './state.ts';
import type { Cuts } from './cuts.ts';
import { senderJid } from './wire.ts';

/** A file as a simulated person sends it. */
export interface SandboxMedia {
  data: Buffer;
  mimeType: string;
  filename?: string;
  caption?: string;
  /** Sent as a voice message. */
  voice?: boolean;
}

/** A message from a simulated person. */
export interface SandboxIncoming {
  /** The phone of a linked number. Not needed for a group. */
  to: string;
  from: string;
  name?: string;
  /** Writes from the phone (default) or from its LID. */
  as?: 'phone' | 'lid';
  /** False: the page is not told which phone is behind the LID until it asks. */
  lidKnown?: boolean;
  /** Writes into this group. */
  group?: string;
  text?: string;
  media?: SandboxMedia;
  /** Given by tests of duplicates; otherwise made. */
  id?: string;
  /** Message fields in WhatsApp Web's words, for types that `text` and `media` do not cover: `{type: 'location', lat, lng}`. */
  content?: WireContent;
}

/** The phone's and the other people's side of the sandbox. Every method throws an Error that says what is wrong. */
export interface SandboxNetwork {
  /** Scans a QR code, or enters a pairing code, with this person's phone. Resolves when the device is linked. */
  link(qrOrPairingCode: string, person: { phone: string; name?: string }): Promise<void>;
  /** Removes every linked device from the phone. */
  unlink(phone: string): void;
  /** Sends a message as somebody else. */
  receive(message: SandboxIncoming): SandboxMessage;
  /** Cuts the connection of that number for `ms` milliseconds. */
  drop(phone: string, ms: number): void;
  /** Lists messages, oldest first: all, those of one number, those changed at or after `since` (Unix ms). */
  messages(filter?: { phone?: string; since?: number }): SandboxMessage[];
  people(): { phone: string; lid: string; name?: string }[];
  linked(): { phone: string; device: string; number: number; at: number; online: boolean; waiting: number }[];
  groups(): { id: string; subject: string; owner: string; members: string[] }[];
  /** Sets how far messages are acknowledged from now on: 0 not even by the server, 1 by it alone, 2 delivered, 3 read. */
  setAcks(acks: AckLevel): void;
  acks(): AckLevel;
  createGroup(group: { subject: string; owner: string; members: string[] }): { id: string };
  /** Hears of every message and of every change of its `acks`. Gives the way to stop. */
  onMessage(listener: (message: SandboxMessage) => void): () => void;
}

/** Makes the phone side of the sandbox over its exchange. */
export function createSandboxNetwork(options: {
  exchange: Exchange;
  pairing: Pairing;
  media: MediaStore;
  cuts: Cuts;
  now: () => number;
}): SandboxNetwork {
  const { exchange, pairing, media, cuts, now } = options;
  const { state } = exchange;

  function onNetwork(text: string): string {
    const phone = toPhone(text);
    if (!isOnWhatsApp(phone)) throw new Error(`${phone} is not on WhatsApp: numbers that begin with 999 do not exist`);
    return phone;
  }

  function devicesOf(text: string): { phone: string; devices: ReturnType<typeof state.devicesOf> } {
    const phone = onNetwork(text);
    const devices = state.devicesOf(phone);
    if (devices.length === 0) throw new Error(`${phone} has no linked device`);
    return { phone, devices };
  }

  const present = (message: StoredMessage): SandboxMessage => presentMessage(message, { state, media });

  function concerns(message: StoredMessage, phone: string): boolean {
    return message.fromPhone === phone || message.levels.has(phone);
  }

  function contentOf({ text, media: file, content }: SandboxIncoming): WireContent {
    if (content) return content;
    if (!file) {
      if (text === undefined || text === '') throw new Error('A message needs text or media');
      return { type: 'chat', body: text };
    }
    const caption = file.caption ?? text;
    return {
      type: mediaType(file),
      mimetype: file.mimeType,
      ...media.put(file.data, now()),
      ...(file.filename === undefined ? {} : { filename: file.filename }),
      ...(caption === undefined ? {} : { caption }),
    };
  }

  return {
    async link(code, person) {
      await pairing.link(code, { ...person, phone: onNetwork(person.phone) });
    },
    unlink(text) {
      for (const { device } of devicesOf(text).devices) {
        const session = exchange.sessionOf(device);
        if (session) exchange.detach(session);
        exchange.commit({ kind: 'unlink', device });
        session?.push({ op: 'unlinked' });
      }
    },
    receive(message) {
      const from = onNetwork(message.from);
      const to = message.group ?? `${devicesOf(message.to).phone}@c.us`;
      if (message.group !== undefined && !state.groups.get(to)?.members.includes(from)) {
        throw new Error(`${from} is not a member of ${to}`);
      }
      exchange.person(from, {
        ...(message.name === undefined ? {} : { name: message.name }),
        ...(message.lidKnown === undefined ? {} : { lidKnown: message.lidKnown }),
      });
      const jid = senderJid(from, message.as ?? 'phone');
      const stored = exchange.accept({
        id: message.id ?? `3A${randomBytes(9).toString('hex').toUpperCase()}`,
        from: jid,
        fromPhone: from,
        to,
        ...(message.group === undefined ? {} : { author: jid }),
        at: now(),
        content: contentOf(message),
      });
      return present(stored);
    },
    drop(text, ms) {
      const { phone, devices } = devicesOf(text);
      cuts.cut(phone, ms);
      for (const { device } of devices) {
        const session = exchange.sessionOf(device);
        if (session) exchange.detach(session);
        session?.close('cut');
      }
    },
    messages({ phone, since } = {}) {
      const wanted = phone === undefined ? undefined : toPhone(phone);
      return [...state.messages.values()]
        .filter((message) => since === undefined || message.changedAt >= since)
        .filter((message) => wanted === undefined || concerns(message, wanted))
        .map(present);
    },
    people: () => [...state.people.values()].map(presentPerson),
    linked: () =>
      [...state.devices.values()].map(({ phone, device, number, at, queue }) => ({
        phone,
        device,
        number,
        at,
        online: exchange.sessionOf(device) !== undefined,
        waiting: queue.length,
      })),
    groups: () =>
      [...state.groups.values()].map(({ id, subject, owner, members }) => ({ id, subject, owner, members })),
    setAcks: exchange.setAcks,
    acks: exchange.acks,
    createGroup({ subject, owner, members }) {
      const phones = [...new Set([owner, ...members].map(onNetwork))];
      for (const phone of phones) exchange.person(phone);
      const id = `1203630${randomInt(10 ** 10, 10 ** 11)}@g.us`;
      exchange.commit({ kind: 'group', id, subject, owner: phones[0] as string, members: phones, at: now() });
      return { id };
    },
    onMessage: (listener) => exchange.onMessage((message) => listener(present(message))),
  };
}

function mediaType({ mimeType, voice }: SandboxMedia): string {
  const family = mimeType.split('/')[0] ?? '';
  if (family === 'audio') return voice === true ? 'ptt' : 'audio';
  return family === 'image' || family === 'video' ? family : 'document';
}

function presentPerson({ phone, lid, name }: PersonRecord): { phone: string; lid: string; name?: string } {
  return { phone, lid, ...(name === undefined ? {} : { name }) };
}
