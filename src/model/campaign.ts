import type { OutgoingContent } from './content.ts';

/** The life of a campaign; `draft` has not been started, `scheduled` waits for its time. */
export const campaignStates = ['draft', 'scheduled', 'running', 'paused', 'completed', 'cancelled', 'failed'] as const;
/** Where a campaign is in its life. */
export type CampaignState = (typeof campaignStates)[number];

/**
 * What keeps a running campaign from sending just now. A hold stands beside the state: it goes away by itself, a reconnect
 * cannot undo a user's pause, and `resume` cannot override it.
 */
export const campaignHolds = [
  'disconnected',
  'catching_up',
  'quiet_hours',
  'outside_window',
  'daily_cap',
  'new_chat_cap',
  'timelock',
  'storage',
  'feature_missing',
] as const;
export type CampaignHold = (typeof campaignHolds)[number];

/** Who or what paused a campaign, or ended it early. */
export type PauseReason =
  | 'user'
  | 'logged_out'
  | 'ban_signal'
  | 'repeated_errors'
  | 'quota_used_up'
  | 'end_time'
  | 'instance_deleted'
  | 'media_missing';

/**
 * The life of a recipient, and the number it has in its row: `queued` → `sending` → `accepted` (WhatsApp Web has stored the
 * message) → `sent` → `delivered` → `read`. The others are ends; `uncertain` means that nobody can tell whether it went out.
 */
export const recipientStates = {
  queued: 0,
  sending: 1,
  accepted: 2,
  sent: 3,
  delivered: 4,
  read: 5,
  opted_out: 10,
  invalid_number: 11,
  duplicate: 12,
  failed: 20,
  uncertain: 21,
  cancelled: 30,
} as const;
export type RecipientState = keyof typeof recipientStates;

/** How many recipients are in each state; they add up to the rows. */
export type RecipientCounts = Record<RecipientState, number>;

/** Counters as the API words them: `sent` includes what was delivered, `delivered` what was read. */
export interface CampaignCounters {
  total: number;
  queued: number;
  sending: number;
  sent: number;
  delivered: number;
  read: number;
  failed: number;
  /** Opted out, not on WhatsApp, or had the same text within 24 hours. */
  skipped: number;
  uncertain: number;
  cancelled: number;
}

/** How fast a number sends in bulk, so that it writes as a person would. */
export interface Pacing {
  /** Half of the gaps are shorter, half longer. */
  medianMs: number;
  minMs: number;
  maxMs: number;
  /** A long break comes after this many sends, drawn anew each time; 0, 0: never. */
  breakEveryMin: number;
  breakEveryMax: number;
  breakMinMs: number;
  breakMaxMs: number;
  /** Bulk messages a day (of the number's own time zone). */
  dailyCap: number;
  /** Of those, to people with whom there is no chat yet. */
  newChatCap: number;
  /** A freshly linked number starts at 20 a day and grows by 35 % a day up to `dailyCap`. */
  warmUp: boolean;
}

/** Safe for a number that people know. Nobody outside WhatsApp knows the true limits. */
export const defaultPacing: Pacing = {
  medianMs: 30_000,
  minMs: 8_000,
  maxMs: 150_000,
  breakEveryMin: 15,
  breakEveryMax: 30,
  breakMinMs: 180_000,
  breakMaxMs: 600_000,
  dailyCap: 300,
  newChatCap: 60,
  warmUp: true,
};

/** Times of a day in which nothing is sent, on the recipient's clock: `{from: '20:00', to: '09:00'}`. */
export interface QuietHours {
  from: string;
  to: string;
}

/** When a campaign does not send where it says nothing itself, by the clock of each recipient. */
export const defaultQuietHours: QuietHours = { from: '20:00', to: '09:00' };

/** When a campaign may send: hours of some days, or every minute that a cron expression (5 fields) matches. */
export type CampaignWindow =
  | {
      /** 0 Sunday … 6 Saturday; empty means every day. */
      days: number[];
      from: string;
      /** `24:00` is allowed; earlier than `from` goes over midnight. */
      to: string;
      zone: string;
    }
  | { cron: string; zone: string };

/** One bulk sending from one instance to many recipients. */
export interface Campaign {
  /** `WAP-CAM-0001` */
  id: string;
  accountId: string;
  instanceId: string;
  name: string;
  /** The text or the caption as the user wrote it, with variables and alternatives. */
  template: string;
  /** A file that every recipient gets, stored once; its caption is the rendered template. */
  media: Extract<OutgoingContent, { media: unknown }> | null;
  /** Stand in for what a recipient does not bring, by `variableKey`. */
  variables: Record<string, string>;
  /** Overrides of the instance's pacing. */
  pacing: Partial<Pacing>;
  window: CampaignWindow | null;
  /** Null: none. */
  quietHours: QuietHours | null;
  /** Tells webhooks the result of each recipient as `campaign.recipient`. */
  recipientEvents: boolean;
  state: CampaignState;
  pauseReason: PauseReason | null;
  hold: CampaignHold | null;
  holdUntil: number | null;
  counts: RecipientCounts;
  duplicates: number;
  invalid: number;
  scheduleAt: number | null;
  endAt: number | null;
  createdAt: number;
  startedAt: number | null;
  finishedAt: number | null;
}

/** A recipient as the caller gives it. */
export interface RecipientInput {
  /** A number as people write it. */
  number: string;
  /** The recipient's own fields. */
  variables?: Record<string, unknown>;
  /** IANA zone, where the country of the number does not tell it. */
  zone?: string;
}

/** Recipients, in batches; a body too large for memory is read from where it lies. */
export type RecipientSource = Iterable<RecipientInput[]> | AsyncIterable<RecipientInput[]>;

/** What `create` and `add` answer. */
export interface CampaignReceipt {
  campaign: Campaign;
  /** Rows after the call. */
  total: number;
  /** What this call added to the queue. */
  queued: number;
  /** Given twice, in this call or before. */
  duplicates: number;
  /** The first 100. */
  invalid: { number: string; reason: string }[];
  invalidCount: number;
  /** Added, but never sent to, because they asked not to be written to. */
  optedOut: number;
  warnings: string[];
}

/** What `status` answers. */
export interface CampaignView extends Campaign {
  counters: CampaignCounters;
  /** Sends a minute over the last ten minutes. */
  ratePerMinute: number;
  /** When the number may send the next bulk message; null when nothing is to be sent. */
  nextSendAt: number | null;
  /** When the last recipient is likely to be served, quiet hours and caps included; null when it cannot be told. */
  etaAt: number | null;
}

/** A recipient as listed. */
export interface CampaignRecipient {
  phone: string;
  state: RecipientState;
  reason: string | null;
  /** Our id of the message, once there is one. */
  messageId: string | null;
  /** When it got its current end or was handed over. */
  changedAt: number | null;
}

/** How a campaign would go, day by day. */
export interface CampaignForecast {
  /** Null when it would not finish within the time looked at. */
  finishesAt: number | null;
  /** Days of the instance's time zone, `2026-11-21`. */
  days: { date: string; count: number }[];
  warnings: string[];
}

/** Whom the account may not write to in bulk. */
export interface OptOut {
  phone: string;
  /** What they wrote, or who entered it. */
  source: string;
  createdAt: number;
}

/** The words by which people opt out and in again; an account may have its own. */
export interface OptOutWords {
  stop: string[];
  start: string[];
  /** Sent once to who opts out; null: nothing. */
  confirmation: string | null;
}

/** Returns the counters as the API words them. */
export function countersOf(counts: RecipientCounts): CampaignCounters {
  const read = counts.read;
  const delivered = counts.delivered + read;
  return {
    total: Object.values(counts).reduce((sum, count) => sum + count, 0),
    queued: counts.queued,
    sending: counts.sending,
    sent: counts.accepted + counts.sent + delivered,
    delivered,
    read,
    failed: counts.failed,
    skipped: counts.opted_out + counts.invalid_number + counts.duplicate,
    uncertain: counts.uncertain,
    cancelled: counts.cancelled,
  };
}

/** Returns `WAP-CAM-0001`. */
export function campaignId(number: number): string {
  return `WAP-CAM-${String(number).padStart(4, '0')}`;
}

/** Returns the number of `WAP-CAM-0001`, null when the text is no campaign id. */
export function campaignNumber(id: string): number | null {
  const match = /^WAP-CAM-(\d{4,15})$/.exec(id.trim());
  return match ? Number(match[1]) : null;
}
