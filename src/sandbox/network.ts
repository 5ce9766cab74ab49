import { randomInt } from 'node:crypto';
import { isOnWhatsApp, newMessageId, toPhone } from './address.ts';
import type { Exchange } from './exchange.ts';
import type { MediaStore } from './media.ts';
import type { Pairing } from './pairing.ts';
import type { PasskeyAssertion, PasskeyOptions, Passkeys } from './passkeys.ts';
import type { AckLevel, PersonRecord, WireContent } from './records.ts';
import { createMessageEdits, type MessageEdits } from './message-edits.ts';
import { presentMessage, type SandboxMessage } from './present.ts';
import type { StoredMessage } from './state.ts';
import type { Cuts } from './cuts.ts';
import { type SandboxSignal, signalNode } from './signals.ts';
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
interface SandboxIncoming {
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

/** A message that the owner of a linked number writes on the phone. */
type SandboxWritten = Pick<SandboxIncoming, 'text' | 'media' | 'id' | 'content'> & {
  from: string;
  /** A phone, or a group's id. */
  to: string;
};

/** The phone's and the other people's side of the sandbox. Every method throws an Error that says what is wrong. */
export interface SandboxNetwork extends MessageEdits {
  /**
   * Scans a QR code, or enters a pairing code, with this person's phone. Resolves when the device is linked: with `passkey` only after
   * the person has used it on the page.
   */
  link(qrOrPairingCode: string, person: { phone: string; name?: string; passkey?: boolean }): Promise<void>;
  /** Uses the person's passkey as their own device does, on WhatsApp Web's site unless another is named. */
  signPasskey(phone: string, options: PasskeyOptions, origin?: string): PasskeyAssertion;
  /** Removes every linked device from the phone. */
  unlink(phone: string): void;
  /** Sends a message as somebody else. */
  receive(message: SandboxIncoming): SandboxMessage;
  /** Writes a message on the phone of a linked number, as its owner does. */
  write(message: SandboxWritten): SandboxMessage;
  /** Shows the linked number what goes on beside messages; it is not kept for devices that are away. */
  signal(signal: SandboxSignal): { callId?: string };
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
  passkeys: Passkeys;
  media: MediaStore;
  cuts: Cuts;
  now: () => number;
}): SandboxNetwork {
  const { exchange, pairing, passkeys, media, cuts, now } = options;
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

  function contentOf({ text, media: file, content }: Pick<SandboxIncoming, 'text' | 'media' | 'content'>): WireContent {
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
    signPasskey: (phone, asked, origin) => passkeys.sign(onNetwork(phone), asked, origin),
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
        id: message.id ?? newMessageId(),
        from: jid,
        fromPhone: from,
        to,
        ...(message.group === undefined ? {} : { author: jid }),
        at: now(),
        content: contentOf(message),
      });
      return present(stored);
    },
    write(message) {
      const { phone } = devicesOf(message.from);
      const isGroup = message.to.endsWith('@g.us');
      if (isGroup && !state.groups.get(message.to)?.members.includes(phone))
        throw new Error(`${phone} is not a member of ${message.to}`);
      const to = isGroup ? message.to : `${onNetwork(message.to)}@c.us`;
      if (!isGroup) exchange.person(toPhone(message.to));
      const from = senderJid(phone, 'phone');
      const stored = exchange.accept({
        id: message.id ?? newMessageId(),
        from,
        fromPhone: phone,
        to,
        ...(isGroup ? { author: from } : {}),
        at: now(),
        content: contentOf(message),
      });
      return present(stored);
    },
    ...createMessageEdits({ exchange, onNetwork, present, now }),
    signal(told) {
      const { devices } = devicesOf(told.to);
      const sender = senderJid(onNetwork(told.from), told.as ?? 'phone');
      const { node, callId } = signalNode(told, sender, now());
      for (const { device } of devices) exchange.sessionOf(device)?.push({ op: 'wap', node });
      return callId === undefined ? {} : { callId };
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
