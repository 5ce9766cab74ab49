import { randomBytes, randomInt } from 'node:crypto';
import type { Exchange, Session } from './exchange.ts';
import { passkeyRequestNode } from './signals.ts';

/** Gives QR refs and pairing codes to pages that are not linked, and links them when a phone takes one. */
export interface Pairing {
  /** Gives a fresh QR ref; the session's older ref expires. */
  ref(session: Session): string;
  /** Gives a fresh eight-letter code that only `phone` can enter. */
  code(session: Session, phone: string): string;
  /**
   * Links the page that shows `code`, after its passkey step where `passkey` says so. Resolves when the page has stored its login.
   * @throws Error when unknown or expired
   */
  link(code: string, person: { phone: string; name?: string; passkey?: boolean }): Promise<void>;
  /** The phone of the page that is being linked. @throws Error when nobody scanned it */
  scanned(session: Session): string;
  /** The person has shown who they are: the page gets its login. */
  proceed(session: Session): void;
  /** The page has stored its login under this device key. */
  confirm(session: Session, device: string): void;
  /** The page is gone: its refs and codes are void. */
  forget(session: Session): void;
}

/** The letters WhatsApp uses in pairing codes (no 0, I, O, U). */
const CODE_LETTERS = '123456789ABCDEFGHJKLMNPQRSTVWXYZ';

/** Makes the pairing desk of a network. */
export function createPairing(options: { exchange: Exchange; now: () => number }): Pairing {
  const { exchange, now } = options;
  const offers = new Map<string, { session: Session; phone?: string }>();
  const waiting = new Map<
    Session,
    { phone: string; number: number; resolve: () => void; reject: (error: Error) => void }
  >();

  function withdraw(session: Session, kind: 'ref' | 'code'): void {
    for (const [code, offer] of offers) {
      if (offer.session === session && (offer.phone === undefined) === (kind === 'ref')) offers.delete(code);
    }
  }

  function offerFor(code: string): { session: Session; phone?: string } {
    const first = code.split(',')[0]?.trim() ?? '';
    const offer = offers.get(first) ?? offers.get(first.replace(/[\s-]/g, '').toUpperCase());
    if (!offer) throw new Error('This QR or pairing code is unknown or has expired');
    return offer;
  }

  function proceed(session: Session): void {
    const wait = waiting.get(session);
    if (!wait) throw new Error('Nobody scanned this page');
    const { phone, number } = wait;
    const { lid, name } = exchange.person(phone);
    session.push({ op: 'pair', me: { phone, lid, name: name ?? phone, number } });
  }

  return {
    proceed,
    scanned(session) {
      const wait = waiting.get(session);
      if (!wait) throw new Error('Nobody scanned this page');
      return wait.phone;
    },
    ref(session) {
      withdraw(session, 'ref');
      const ref = `2@${randomBytes(48).toString('base64')}`;
      offers.set(ref, { session });
      return ref;
    },
    code(session, phone) {
      withdraw(session, 'code');
      const code = Array.from({ length: 8 }, () => CODE_LETTERS[randomInt(CODE_LETTERS.length)]).join('');
      offers.set(code, { session, phone });
      return code;
    },
    link(code, { phone, name, passkey = false }) {
      const offer = offerFor(code);
      if (offer.phone !== undefined && offer.phone !== phone) {
        throw new Error(`This pairing code was made for ${offer.phone}, not for ${phone}`);
      }
      if (waiting.has(offer.session)) throw new Error('This QR or pairing code is being scanned already');
      exchange.person(phone, name === undefined ? {} : { name });
      const number = Math.max(1, ...exchange.state.devicesOf(phone).map((device) => device.number)) + 1;
      return new Promise((resolve, reject) => {
        waiting.set(offer.session, { phone, number, resolve, reject });
        if (passkey) offer.session.push({ op: 'wap', node: passkeyRequestNode() });
        else proceed(offer.session);
      });
    },
    confirm(session, device) {
      const wait = waiting.get(session);
      if (!wait) throw new Error('Nobody scanned this page');
      waiting.delete(session);
      withdraw(session, 'ref');
      withdraw(session, 'code');
      exchange.commit({ kind: 'device', device, phone: wait.phone, number: wait.number, at: now() });
      wait.resolve();
    },
    forget(session) {
      withdraw(session, 'ref');
      withdraw(session, 'code');
      waiting.get(session)?.reject(new Error('The page went away before it was linked'));
      waiting.delete(session);
    },
  };
}
