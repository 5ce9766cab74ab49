import { randomBytes } from 'node:crypto';
import { isOnWhatsApp, splitJid, toPhone } from './address.ts';
import type { Exchange, Session } from './exchange.ts';
import type { MediaStore } from './media.ts';
import type { Pairing } from './pairing.ts';
import type { PasskeyAssertion, Passkeys } from './passkeys.ts';
import type { WireContent } from './records.ts';
import type { Device } from './state.ts';
import { presentGroup } from './wire.ts';

/** A request of a page: its operation's name and what belongs to it. */
export type PageRequest = { op: string } & Record<string, unknown>;

/** The result of a request that the page gets no answer to. */
export const SILENCE = Symbol('no answer');

/** Answers the requests of pages. */
export interface Operations {
  /** Gives the result of one request. @throws Error with what the page is told */
  perform(session: Session, request: PageRequest): unknown;
  /** Keeps an uploaded file. */
  upload(session: Session, bytes: Uint8Array): unknown;
  /** Gives an uploaded file. @throws Error when there is none */
  download(session: Session, directPath: string): Buffer;
}

/** Makes the table of everything a page can ask the network. A new kind of request is one more entry. */
export function createOperations(options: {
  exchange: Exchange;
  pairing: Pairing;
  passkeys: Passkeys;
  media: MediaStore;
  now: () => number;
  /** Says whether the number's connection is cut on purpose right now. */
  isCut: (phone: string) => boolean;
}): Operations {
  const { exchange, pairing, passkeys, media, now, isCut } = options;
  const { state } = exchange;

  function linked(session: Session): Device {
    const device = session.device === undefined ? undefined : state.devices.get(session.device);
    if (!device) throw new Error('This device is not linked');
    return device;
  }

  function describe(device: Device): Record<string, unknown> {
    const { lid, name } = exchange.person(device.phone);
    const groups = [...state.groups.values()].filter((group) => group.members.includes(device.phone));
    return {
      status: 'linked',
      me: { phone: device.phone, lid, name: name ?? device.phone, number: device.number },
      groups: groups.map((group) => presentGroup(state, group)),
      waiting: device.queue.length,
    };
  }

  const operations: Record<string, (session: Session, request: PageRequest) => unknown> = {
    /** The page shows its device key and learns whether it is linked. */
    hello(session, { device: key }) {
      const device = state.devices.get(String(key));
      if (!device) return { status: 'unlinked' };
      if (isCut(device.phone)) {
        session.close('cut');
        return { status: 'cut' };
      }
      queueMicrotask(() => exchange.attach(session, device));
      return describe(device);
    },
    ping: () => null,
    ref: (session) => ({ ref: pairing.ref(session) }),
    pairing_code(session, { phone }) {
      const digits = toPhone(String(phone));
      if (!isOnWhatsApp(digits)) throw new Error(`${digits} is not on WhatsApp`);
      return { code: pairing.code(session, digits) };
    },
    passkey_options: (session) => passkeys.options(session, pairing.scanned(session)),
    /** The person's answer; the phone then shows the code that the page shows too. */
    passkey_prologue(session, { assertion }) {
      passkeys.check(session, pairing.scanned(session), assertion as PasskeyAssertion);
      return { code: randomBytes(5).toString('hex').slice(0, 8).toUpperCase() };
    },
    passkey_confirm: (session) => pairing.proceed(session),
    /** The page has stored its login. */
    paired(session, { device: key }) {
      pairing.confirm(session, String(key));
      const device = state.devices.get(String(key)) as Device;
      queueMicrotask(() => exchange.attach(session, device));
      return describe(device);
    },
    send(session, request) {
      const device = linked(session);
      const to = String(request['to']);
      const content = request['content'] as WireContent;
      if (to.endsWith('@g.us')) {
        if (!state.groups.get(to)?.members.includes(device.phone)) throw new Error(`Not a member of ${to}`);
      } else {
        const { user, server } = splitJid(to);
        if (server === 'c.us' && isOnWhatsApp(user)) exchange.person(user);
        if (state.phoneOf(to) === undefined) throw new Error(`${to} is not on WhatsApp`);
      }
      const message = exchange.accept({
        id: String(request['id']),
        from: String(request['from']),
        fromPhone: device.phone,
        to,
        ...(request['author'] === undefined ? {} : { author: String(request['author']) }),
        device: device.device,
        at: now(),
        content,
      });
      return exchange.acks() === 0 ? SILENCE : { t: Math.floor(message.at / 1000) };
    },
    /** The page has stored everything up to stanza `n`. */
    got(session, { n }) {
      const device = linked(session);
      const line = Number(n);
      const arrived = device.queue.filter((pending) => pending.line <= line && pending.record.kind === 'message');
      exchange.commit({ kind: 'got', device: device.device, line });
      for (const { record } of arrived) {
        if (record.kind !== 'message' || record.fromPhone === device.phone) continue;
        const message = state.messages.get(`${record.fromPhone}/${record.id}`);
        if (message) exchange.receipt(message, device.phone, 2);
      }
    },
    seen(session, { chat }) {
      const { phone } = linked(session);
      for (const message of state.unread(phone, String(chat))) exchange.receipt(message, phone, 3);
    },
    exists(session, { wid }) {
      linked(session);
      const { user, server } = splitJid(String(wid));
      if (server === 'c.us' && isOnWhatsApp(user)) exchange.person(user);
      const phone = state.phoneOf(String(wid));
      if (phone === undefined) return null;
      const { lid, name } = exchange.person(phone);
      return {
        wid: `${user}@${server}`,
        pn: `${phone}@c.us`,
        lid: `${lid}@lid`,
        ...(name === undefined ? {} : { name }),
      };
    },
    group(session, { id }) {
      const { phone } = linked(session);
      const group = state.groups.get(String(id));
      if (!group?.members.includes(phone)) throw new Error(`Not a member of ${String(id)}`);
      return presentGroup(state, group);
    },
    logout(session) {
      const { device } = linked(session);
      exchange.detach(session);
      exchange.commit({ kind: 'unlink', device });
    },
  };

  return {
    perform(session, request) {
      const operation = operations[request.op];
      if (!operation) throw new Error(`The network does not know "${request.op}"`);
      return operation(session, request) ?? null;
    },
    upload(session, bytes) {
      linked(session);
      return media.put(bytes, now());
    },
    download(session, directPath) {
      linked(session);
      const bytes = media.get(directPath);
      if (!bytes) throw new Error('404');
      return bytes;
    },
  };
}
