import { createHash, randomBytes } from 'node:crypto';

/** Gives the digits of a phone number. @throws Error when fewer than 5 or more than 15 digits remain */
export function toPhone(text: string): string {
  const digits = text.replace(/@.*$/, '').replace(/\D/g, '');
  if (digits.length < 5 || digits.length > 15) throw new Error(`"${text}" is not a phone number`);
  return digits;
}

/** Says whether a number exists on the fake network: all do, except those beginning with 999. */
export function isOnWhatsApp(phone: string): boolean {
  return /^\d{5,15}$/.test(phone) && !phone.startsWith('999');
}

/** Gives the LID digits of a phone, always the same ones. Real LIDs are about 15 digits without relation to the phone. */
export function lidOf(phone: string): string {
  const hash = createHash('sha256').update(`lid:${phone}`).digest();
  return `1${(hash.readBigUInt64BE(0) % 100_000_000_000_000n).toString().padStart(14, '0')}`;
}

/** Splits `user@server`, dropping a device part (`user:3@c.us`). @throws Error when there is no server */
export function splitJid(jid: string): { user: string; server: string } {
  const [user = '', server = ''] = jid.split('@');
  if (user === '' || server === '') throw new Error(`"${jid}" is not a WhatsApp address`);
  return { user: user.split(':')[0] ?? '', server };
}

/** Identifies a message on the network: WhatsApp tells messages apart by sender and id. */
export function messageKey(fromPhone: string, id: string): string {
  return `${fromPhone}/${id}`;
}

/** Returns a new message id, as phones make them. */
export function newMessageId(): string {
  return `3A${randomBytes(9).toString('hex').toUpperCase()}`;
}
