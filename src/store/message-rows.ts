import { campaignId, campaignNumber } from '../model/campaign.ts';
import type { Content } from '../model/content.ts';
import type { Jid } from '../model/jid.ts';
import type { Ack, FailureReason, Message, MessageState, Priority } from '../model/message.ts';

/** A row of the messages table. */
export interface MessageRow {
  id: string;
  account_id: string;
  instance_id: string;
  direction: 'in' | 'out';
  wa_id: string;
  wa_key: string;
  chat: Jid;
  sender: Jid | null;
  sender_phone: string | null;
  sender_name: string | null;
  content: string;
  state: MessageState;
  reason: FailureReason | null;
  ack: Ack;
  priority: Priority;
  attempts: number;
  expires_at: number | null;
  send_at: number | null;
  created_at: number;
  happened_at: number | null;
  acked_at: number | null;
  edited_at: number | null;
  revoked_at: number | null;
  campaign_id: number | null;
  lane: number | null;
  seq: number | null;
}

/** The columns of a message, as they are written. */
export const messageColumns = [
  'id',
  'account_id',
  'instance_id',
  'direction',
  'wa_id',
  'wa_key',
  'chat',
  'sender',
  'sender_phone',
  'sender_name',
  'content',
  'state',
  'reason',
  'ack',
  'priority',
  'attempts',
  'expires_at',
  'send_at',
  'created_at',
  'happened_at',
  'acked_at',
  'edited_at',
  'revoked_at',
  'campaign_id',
  'lane',
  'seq',
] as const satisfies readonly (keyof MessageRow)[];

/** Returns content as its column keeps it: the type stands first, so that a query can tell it by `contentStart`. */
function contentText({ type, ...rest }: Content): string {
  return JSON.stringify({ type, ...rest });
}

/** Returns how a column of content of this type begins. */
export function contentStart(type: Content['type']): string {
  return `{"type":"${type}"`;
}

/** Returns the message as a row. */
export function toRow(message: Message): MessageRow {
  return {
    id: message.id,
    account_id: message.accountId,
    instance_id: message.instanceId,
    direction: message.direction,
    wa_id: message.waId,
    wa_key: message.waKey,
    chat: message.chat,
    sender: message.sender,
    sender_phone: message.senderPhone,
    sender_name: message.senderName?.slice(0, 140) ?? null,
    content: contentText(message.content),
    state: message.state,
    reason: message.reason,
    ack: message.ack,
    priority: message.priority,
    attempts: message.attempts,
    expires_at: message.expiresAt,
    send_at: message.sendAt,
    created_at: message.createdAt,
    happened_at: message.happenedAt,
    acked_at: message.ackedAt,
    edited_at: message.editedAt ?? null,
    revoked_at: message.revokedAt ?? null,
    campaign_id: message.campaign ? campaignNumber(message.campaign.campaignId) : null,
    lane: message.campaign?.lane ?? null,
    seq: message.campaign?.seq ?? null,
  };
}

/** Returns the row as a message. */
export function fromRow(row: MessageRow): Message {
  return {
    id: row.id,
    accountId: row.account_id,
    instanceId: row.instance_id,
    direction: row.direction,
    waId: row.wa_id,
    waKey: row.wa_key,
    chat: row.chat,
    sender: row.sender,
    senderPhone: row.sender_phone,
    senderName: row.sender_name,
    content: JSON.parse(row.content) as Content,
    state: row.state,
    reason: row.reason,
    ack: row.ack,
    priority: row.priority,
    attempts: row.attempts,
    expiresAt: row.expires_at,
    sendAt: row.send_at,
    createdAt: row.created_at,
    happenedAt: row.happened_at,
    ackedAt: row.acked_at,
    ...(row.edited_at === null ? {} : { editedAt: row.edited_at }),
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
    ...(row.campaign_id === null
      ? {}
      : { campaign: { campaignId: campaignId(row.campaign_id), lane: row.lane!, seq: row.seq! } }),
  };
}
