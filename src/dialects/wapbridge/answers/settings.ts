import Joi from 'joi';
import { count, many, moment, oneOf, orNull, shape, word } from '../../../http/answer-schema.ts';
import { auditTable } from '../../../model/audit.ts';
import { eventTable } from '../../../model/events.ts';
import { answer, next } from './common.ts';

const events = many(oneOf([...Object.keys(eventTable), '*']));
const instanceId = orNull(Joi.string());

/** `set_webhook`, `get_webhook`: null when there is none. */
export const endpointAnswer = answer({
  url: orNull(Joi.string()),
  events: events.optional(),
  instance_id: instanceId.optional(),
  has_secret: Joi.boolean().optional(),
  enabled: Joi.boolean().optional(),
  disabled_reason: orNull(word()).optional(),
});

const webhook = {
  webhook_id: Joi.string(),
  title: orNull(word()),
  url: Joi.string(),
  events,
  instance_id: instanceId,
  dialect: Joi.string(),
  default: Joi.boolean(),
  has_secret: Joi.boolean(),
  headers: many(Joi.string()).description('Names; the values are not shown'),
  ordered: Joi.boolean(),
  retry_seconds: orNull(many(count())).description('Null: the usual schedule'),
  enabled: Joi.boolean(),
  disabled_reason: orNull(word()),
  failures_in_a_row: count(),
  failing_since: orNull(moment()),
  paused_until: orNull(moment()),
  created_at: moment(),
};

/** `create_webhook`, `update_webhook`. */
export const webhookAnswer = answer(webhook);

/** `list_webhooks`. */
export const webhooksAnswer = answer({ webhooks: many(shape(webhook)) });

/** `delete_webhook`. */
export const webhookGoneAnswer = answer({ webhook_id: Joi.string() });

/** `test_webhook`. */
export const webhookTestAnswer = answer({
  delivered: Joi.boolean(),
  http_status: orNull(count()),
  error: orNull(word()),
  response: orNull(word()),
  duration_ms: Joi.number(),
  sent: Joi.object().unknown().description('The body that was posted'),
});

const delivery = {
  delivery_id: Joi.string(),
  webhook_id: Joi.string(),
  message_id: Joi.string().description('The header webhook-id'),
  event: orNull(oneOf(Object.keys(eventTable))),
  instance_id: instanceId,
  status: oneOf(['pending', 'retry', 'delivered', 'failed']),
  attempts: count(),
  next_attempt_at: orNull(moment()),
  created_at: moment(),
  finished_at: orNull(moment()),
};

/** `resend_webhook_delivery`. */
export const deliveryAnswer = answer(delivery);

/** `list_webhook_deliveries`. */
export const deliveriesAnswer = answer({ deliveries: many(shape(delivery)), next });

/** `list_webhook_attempts`. */
export const attemptsAnswer = answer({
  attempts: many(
    shape({
      attempt_id: Joi.string(),
      delivery_id: Joi.string(),
      webhook_id: Joi.string(),
      attempt: count(),
      http_status: orNull(count()),
      error: orNull(word()),
      response: orNull(word()),
      duration_ms: Joi.number(),
      at: moment(),
    }),
  ),
  next,
});

/** `replay_webhook`. */
export const replayAnswer = answer({ webhook_id: Joi.string(), queued: count(), more: Joi.boolean() });

const auditChange = shape({ from: Joi.any().optional(), to: Joi.any().optional() });

/** `list_audit`. */
export const auditAnswer = answer({
  entries: many(
    shape({
      audit_id: Joi.string(),
      at: moment(),
      action: oneOf(Object.keys(auditTable)),
      subject: orNull(word()),
      instance_id: instanceId,
      by: oneOf(['token', 'command_line', 'gateway']),
      api_key: orNull(Joi.string()),
      title: orNull(word()),
      ip: orNull(Joi.string()),
      changes: Joi.object().pattern(Joi.string(), auditChange),
    }),
  ),
  next,
});
