import Joi from 'joi';
import { choices, list, optionalText, record, text } from '../../http/schema.ts';
import { type EventChoice, type EventType, eventTable } from '../../model/events.ts';
import type { DeliveryState } from '../../model/webhook.ts';
import { moment, pageCursor } from './inputs.ts';

/** What of a webhook may be changed. */
export interface WebhookChanges {
  url?: string;
  title?: string | null;
  secret?: string | null;
  secret_overlap_hours?: number;
  events?: EventChoice[];
  headers?: Record<string, string>;
  ordered?: boolean;
  retry_seconds?: number[] | null;
  enabled?: boolean;
}

const changes: Joi.StrictSchemaMap<WebhookChanges> = {
  url: optionalText()
    .max(2048)
    .description('Where to post events')
    .example('https://erp.example.com/api/method/receive'),
  title: text().trim().allow('', null).max(140).description('A name for people'),
  secret: text()
    .trim()
    .allow('', null)
    .max(255)
    .description('Sent as X-Wapbridge-Secret and used for the signature; absent keeps it, empty removes it'),
  secret_overlap_hours: Joi.number()
    .min(0)
    .max(168)
    .description('For how long the replaced secret signs beside the new one; 24 by default, 0 for not at all'),
  events: eventChoice().description('Which events; at first message.received; all or *: every one'),
  headers: headers()
    .description('Sent beside the gateway’s own headers; an empty object removes them')
    .example({ authorization: 'token key:secret' }),
  ordered: Joi.boolean().description(
    'One delivery at a time in the order of events, instead of in order within each chat',
  ),
  retry_seconds: retrySeconds()
    .description(
      'Waiting times after the first, second … failure, from the next failure on: an empty list for a single try, null for the usual 5 s to 10 h',
    )
    .example([5, 300, 1800]),
  enabled: Joi.boolean().description('False stops it; true starts it again and forgets past failures'),
};

/** `create_webhook`. */
export const createWebhookInput = Joi.object<
  WebhookChanges & { url: string; instance_id?: string; dialect?: string },
  true
>({
  ...changes,
  url: text().trim().max(2048).required().description('Where to post events'),
  instance_id: optionalText().uppercase().max(32).description('Only events of this instance'),
  dialect: optionalText().max(24).description('Whose bodies and headers it gets; wapbridge by default'),
});

/** `update_webhook`. */
export const updateWebhookInput = Joi.object<WebhookChanges & { webhook_id: string }, true>({
  ...changes,
  webhook_id: webhookId().required(),
});

/** `delete_webhook`, `test_webhook`. */
export const oneWebhookInput = Joi.object<{ webhook_id: string }, true>({ webhook_id: webhookId().required() });

/** `list_webhooks`. */
export const listWebhooksInput = Joi.object<Record<string, never>, true>({});

/** What a page of the history is of. */
export interface HistoryInput {
  webhook_id?: string;
  event?: EventType[];
  since?: string;
  before?: string;
  limit?: number;
}

const history: Joi.StrictSchemaMap<HistoryInput> = {
  webhook_id: webhookId().empty(Joi.valid('', null)).description('Of this webhook; else of all'),
  event: choices('event', Object.keys(eventTable)).description('Of these events, e.g. message.received'),
  since: since(),
  before: pageCursor(),
  limit: Joi.number().integer().min(1).max(200).empty(Joi.valid('', null)).description('50 by default'),
};

/** `list_webhook_deliveries`. */
export const listDeliveriesInput = Joi.object<HistoryInput & { status?: DeliveryState[] }, true>({
  ...history,
  status: list()
    .items(Joi.string().valid('pending', 'retry', 'delivered', 'failed'))
    .single()
    .empty(Joi.valid('', null))
    .description('pending, retry, delivered, failed'),
});

/** `list_webhook_attempts`. */
export const listAttemptsInput = Joi.object<HistoryInput & { delivery_id?: string; failed?: boolean }, true>({
  ...history,
  delivery_id: optionalText().max(26).description('Of this delivery'),
  failed: Joi.boolean().description('True for those that were not answered by 2xx'),
});

/** `resend_webhook_delivery`. */
export const resendInput = Joi.object<{ delivery_id: string }, true>({
  delivery_id: text().trim().max(26).required().description('A delivery, as list_webhook_deliveries shows it'),
});

/** `replay_webhook`. */
export const replayInput = Joi.object<{ webhook_id: string; since: string; what?: 'failed' | 'missing' | 'all' }, true>(
  {
    webhook_id: webhookId().required(),
    since: since().required(),
    what: optionalText()
      .valid('failed', 'missing', 'all')
      .description(
        'failed (default): what failed for good; missing: what it wants and was never sent; all: everything again',
      ),
  },
);

/** Which events a receiver asks for. */
export function eventChoice(): Joi.ArraySchema {
  const isAll = (event: string) => event === '*' || event === 'all';
  return choices('event', [...Object.keys(eventTable), '*', 'all']).custom((events: string[]) =>
    events.some(isAll) ? ['*'] : events,
  );
}

function headers(): Joi.ObjectSchema<Record<string, string>> {
  return (record({}) as Joi.ObjectSchema<Record<string, string>>).pattern(Joi.string(), text());
}

function retrySeconds(): Joi.ArraySchema<number[]> {
  return list()
    .items(Joi.number().integer().min(1).max(86_400))
    .single()
    .max(20)
    .empty('')
    .allow(null)
    .meta({ items: { type: 'integer', minimum: 1, maximum: 86_400 } });
}

function webhookId(): Joi.StringSchema {
  return text().trim().uppercase().max(26).description('The webhook, as list_webhooks shows it');
}

function since(): Joi.StringSchema {
  return moment().description('From this time on; without an offset in UTC');
}
