/** What is written down of who changed what: action → when it is. */
export const auditTable = {
  'token.created': 'A token was made',
  'token.revoked': 'A token was revoked',
  'webhook.created': 'A webhook was added',
  'webhook.updated': 'A webhook was changed, in anything but its secret',
  'webhook.secret_replaced': 'The secret of a webhook was set, replaced or removed',
  'webhook.deleted': 'A webhook was removed',
  'webhook.disabled': 'The gateway gave a webhook up',
  'instance.created': 'An instance was made',
  'instance.updated': 'Settings of an instance were changed',
  'instance.connected': 'An instance was told to run',
  'instance.disconnected': 'An instance was stopped',
  'instance.logged_out': 'The phone of an instance was unlinked on request',
  'instance.pairing_requested': 'A pairing code was asked for',
  'instance.passkey_submitted': 'A signed passkey was handed to WhatsApp, or its code confirmed',
  'instance.deleted': 'An instance was removed',
  'campaign.paused': 'A person paused a campaign',
  'campaign.resumed': 'A person started a draft or went on with a campaign',
  'campaign.cancelled': 'A person ended a campaign',
  'opt_outs.added': 'Numbers were kept from bulk messages by hand',
  'opt_outs.removed': 'Numbers that had opted out were let in again by hand',
  'opt_out_words.changed': 'The words by which people opt out and in were changed',
  'pacing.changed': 'The pacing of an instance was changed',
} as const satisfies Record<string, string>;

/** What was done, as the audit log names it. */
export type AuditAction = keyof typeof auditTable;

/** Who did it: somebody with a token, somebody at the command line of the machine, or the gateway by itself. */
export type ActorKind = 'token' | 'command_line' | 'gateway';

/** Who did something, as it was at that time. */
export interface Actor {
  kind: ActorKind;
  /** The public half of the token, null without one. */
  tokenKey: string | null;
  /** The title that the token had then. */
  title: string | null;
  /** The address the call came from, null when it came from none. */
  ip: string | null;
}

/** Field → its value before and after; what was not there before or is not there after is absent. Secrets only as `set`. */
export type AuditChanges = Record<string, { from?: unknown; to?: unknown }>;

/** One change that somebody made. */
export interface AuditEntry {
  /** ULID. */
  id: string;
  accountId: string;
  action: AuditAction;
  actor: Actor;
  /** The id or key of what was changed. */
  subject: string | null;
  /** The instance it concerns, null when it concerns the whole account. */
  instanceId: string | null;
  changes: AuditChanges;
  /** Unix ms. */
  createdAt: number;
}

/** Tells whether the text names an action. */
export function isAuditAction(text: string): text is AuditAction {
  return Object.hasOwn(auditTable, text);
}
