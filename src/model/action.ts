/**
 * Why a person has to look after an instance: code → the sentence shown when there is no better one. The code stands beside the
 * state, so that programs can tell what is asked for; a new case is a row here.
 */
export const actionTable = {
  scan_again: 'This device is not linked any more: scan a new QR code',
  passkey: 'WhatsApp asks for the passkey of this number before it links a device',
  tos_block: 'WhatsApp has blocked this number (terms of service): see WhatsApp on the phone',
  time_lock: 'WhatsApp does not let this number write to new people for a while',
  outdated_version: 'WhatsApp refuses this version of WhatsApp Web: update the gateway, or the pinned page',
  taken_over: 'WhatsApp Web was opened elsewhere with this link: close it there, then connect again',
  proxy_blocked: 'WhatsApp refuses this network or proxy: use another one',
  proxy_unreachable: 'The proxy of this instance does not answer or refuses the login: check its address',
  profile_in_use: 'The browser profile is in use by another program or gateway: stop that one',
  profile_corrupt: 'The browser profile is damaged and there is no good copy of it: log out and link the phone again',
  disk_full: 'The disk of the data folder is full: make room',
  browser_failed: 'The browser does not start: run `npm run wapbridge -- doctor`',
} as const satisfies Record<string, string>;

/** What a person has to do about an instance. */
export type ActionCode = keyof typeof actionTable;
