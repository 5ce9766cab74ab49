/**
 * Changes of WhatsApp Web that broke gateways before, which the page shows on purpose: name → what is different then.
 * Beside these, `module-gone:NAME` takes a module away.
 */
export const drifts = {
  'msg-key-renamed': '`MsgKey._serialized` is called `$1` (WhatsApp Web ≥ 2.3000.1043220887, July 2026)',
  'lid-chats': 'Chats with a person are kept under the LID, whichever address was asked for',
  'chat-find-gone': 'The collection of chats has no `findImpl`, so `Chat.find` throws for a chat that is not loaded',
  'stale-media-id': 'A prepared file carries an `__x_id` that takes a message its id (September 2026)',
  'media-needs-mimetype':
    'A file is given out only to those who name its MIME type, and only if files of its kind may have it',
  'media-worker':
    'Files are decrypted in a worker, which is told of the measurement that they belong to (October 2026)',
  'status-object':
    'A status update with a file is handed over as one object under the LID; the ranking question is gone',
  'channel-previews': 'The preview of a link in a channel is made only for those who name the channel',
  'preview-failures': 'The preview of a link is asked of the phone, and fails when it cannot be asked',
  'block-by-lid': 'Whom to block must be named by LID; the function that found them is gone',
  'description-object': "The job for a group's description takes one object",
  'members-checked': 'Removing nobody from a group is an error without words',
  'silent-failures': 'A send that fails says so in its result alone, never by an ack',
  'history-by-direction': 'Older messages are read by `msgFindByDirection`; `loadEarlierMsgs` is gone',
  'early-sync': '`hasSynced` is true before anybody can listen for its change',
  'whats-new': '"What’s new" opens after the start, and unlinks the device when nobody answers it',
  'silent-conflict':
    'Another place with the same login ends the line, which a stanza alone tells: the state stays `CONNECTED`, and `takeover` throws',
  'logout-later':
    '`logout` returns nothing and tells the phone a moment later; the page that comes then shows that it is done',
  'hidden-stanzas':
    'Stanzas are decoded and taken care of elsewhere: none but answers passes the page’s own `decodeStanza`',
  'backend-worker': 'A worker does part of the work, with scripts from another host; the page waits for it',
  'service-worker': 'A service worker stands before the network, and lets everything pass but stickers',
  'frame-navigations': 'A frame inside the page navigates again and again',
} as const;

/** One change of the page. */
export type Drift = keyof typeof drifts | `module-gone:${string}`;

/** Every change with a name, for a page that has moved on in all of them. */
export const allDrifts = Object.keys(drifts) as (keyof typeof drifts)[];

/** Tells whether the name means a change. */
export function isDrift(name: string): name is Drift {
  return Object.hasOwn(drifts, name) || /^module-gone:\w+$/.test(name);
}
