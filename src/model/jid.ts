/**
 * A WhatsApp address as whatsapp-web.js writes it: `255757123456@c.us`, `…@g.us`, `…@lid`, `…@broadcast`, `…@newsletter`.
 * `@s.whatsapp.net` is the same address as `@c.us` in the phone's notation: it is read, never kept.
 */
export type Jid = string & { readonly brand: 'jid' };

/** What stands behind the `@`. */
type JidServer = 'c.us' | 'g.us' | 'lid' | 'broadcast' | 'newsletter';

const jidPattern = /^([0-9A-Za-z.-]{1,64})(?::\d{1,5})?@(c\.us|s\.whatsapp\.net|g\.us|lid|broadcast|newsletter)$/;

/** Returns the address in its kept form, or null when the text is not a Jid. A device suffix (`:12`) is dropped. */
export function parseJid(text: string): Jid | null {
  const match = jidPattern.exec(text.trim());
  if (!match?.[1] || !match[2]) return null;
  const user = match[1].split('.')[0] ?? match[1];
  const server = match[2] === 's.whatsapp.net' ? 'c.us' : match[2];
  if (server === 'c.us' || server === 'lid') return /^\d{5,20}$/.test(user) ? (`${user}@${server}` as Jid) : null;
  return `${match[1]}@${server}` as Jid;
}

/** Returns the Jid of a person by phone number: digits without `+`. */
export function phoneJid(phone: string): Jid {
  return `${phone}@c.us` as Jid;
}

/** Returns the part in front of the `@`. */
function jidUser(jid: Jid): string {
  return jid.slice(0, jid.indexOf('@'));
}

/** Returns the part behind the `@`. */
export function jidServer(jid: Jid): JidServer {
  return jid.slice(jid.indexOf('@') + 1) as JidServer;
}

/** Returns the phone digits of a `@c.us` address, null for groups, LIDs and the rest. */
export function jidPhone(jid: Jid): string | null {
  return jidServer(jid) === 'c.us' ? jidUser(jid) : null;
}

/** Tells whether the address is a group. */
export function isGroup(jid: Jid): boolean {
  return jidServer(jid) === 'g.us';
}

/** The parts of a serialized WhatsApp message key. */
interface MessageKey {
  fromMe: boolean;
  chat: Jid;
  /** The bare id, `3EB0…`. */
  id: string;
  /** In groups: who wrote it. */
  participant?: Jid;
}

/** Returns the serialized key, `true_255755123456@c.us_3EB0…` (with `_participant` in groups), as whatsapp-web.js writes it. */
export function serializeMessageKey(key: MessageKey): string {
  const head = `${key.fromMe}_${key.chat}_${key.id}`;
  return key.participant ? `${head}_${key.participant}` : head;
}

/** Returns the bare id (`3EB0…`) of a serialized message key, or the text itself when it is bare already. */
export function bareMessageId(id: string): string {
  const parts = id.split('_');
  return parts.length >= 3 ? (parts[2] ?? id) : id;
}
