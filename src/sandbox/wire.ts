import { lidOf } from './address.ts';
import type { NetworkState, Device, Pending, StoredMessage } from './state.ts';
import type { ChangeRecord, GroupRecord } from './records.ts';

/** A waiting fact as a page is told it ("stanza"). One entry a kind of fact. */
export type Stanza = Record<string, unknown>;

/** Gives the address under which a page knows a group and its members. */
export function presentGroup(state: NetworkState, group: GroupRecord): Record<string, unknown> {
  return {
    id: group.id,
    subject: group.subject,
    owner: `${group.owner}@c.us`,
    creation: Math.floor(group.at / 1000),
    participants: group.members.map((phone) => ({
      id: `${phone}@c.us`,
      ...(state.people.get(phone)?.lidKnown === false ? {} : { lid: `${lidOf(phone)}@lid` }),
      isAdmin: phone === group.owner,
    })),
  };
}

function presentSender(state: NetworkState, phone: string): Record<string, unknown> {
  const person = state.people.get(phone);
  return {
    ...(person?.lidKnown === false ? {} : { pn: `${phone}@c.us`, lid: `${lidOf(phone)}@lid` }),
    ...(person?.name === undefined ? {} : { name: person.name }),
  };
}

function presentMessage(state: NetworkState, device: Device, message: StoredMessage): Stanza {
  const group = state.groups.get(message.to);
  return {
    kind: 'message',
    id: message.id,
    fromMe: message.fromPhone === device.phone,
    from: message.from,
    to: message.to,
    t: Math.floor(message.at / 1000),
    content: message.content,
    sender: presentSender(state, message.fromPhone),
    ...(message.author === undefined ? {} : { author: message.author }),
    ...(group ? { group: presentGroup(state, group) } : {}),
  };
}

/** The message that is changed is named as the page of this device knows it. */
function presentChange(device: Device, change: ChangeRecord, message: StoredMessage): Stanza {
  const fromMe = message.fromPhone === device.phone;
  return {
    kind: change.what,
    id: message.id,
    fromMe,
    chat: fromMe || message.to.endsWith('@g.us') ? message.to : message.from,
    ...(message.author === undefined ? {} : { author: message.author }),
    changeId: change.id,
    by: change.from,
    byMe: change.by === device.phone,
    atMs: change.at,
    text: change.text ?? '',
  };
}

/** Turns a waiting fact into a stanza for one linked device. `n` is what the page confirms. */
export function toStanza(state: NetworkState, device: Device, pending: Pending): Stanza {
  const { record, message, line } = pending;
  const stanzas = {
    message: () => presentMessage(state, device, record as StoredMessage),
    change: () => presentChange(device, record as ChangeRecord, message as StoredMessage),
    group: () => ({ kind: 'group', group: presentGroup(state, record as GroupRecord) }),
    receipt: () => ({
      kind: 'receipt',
      id: message?.id,
      chat: message?.to,
      author: message?.author,
      ack: pending.level,
    }),
  };
  return { n: line, ...stanzas[record.kind]() };
}

/** Gives the address a person writes from: the phone, or the LID. */
export function senderJid(phone: string, as: 'phone' | 'lid'): string {
  return as === 'lid' ? `${lidOf(phone)}@lid` : `${phone}@c.us`;
}
