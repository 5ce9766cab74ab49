import Joi from 'joi';
import { count, many, moment, oneOf, orNull, shape, word } from '../../../http/answer-schema.ts';
import { messageStates } from '../../../model/message.ts';
import { priorityNames } from '../inputs.ts';
import { answer, next } from './common.ts';

const status = oneOf(messageStates);
const messageId = Joi.string().example('true_255755123456@c.us_3EB0C767D26A1D5F2E5A49');

/** `send_api_message`. */
export const sendAnswer = answer({
  service: shape({ ok: Joi.valid(true), id: messageId.description('What message_status takes') }),
  status,
  send_at: moment().optional(),
});

/** `erpnext_notification_gateway`: as a send, or what `on_error=accept` asks for. */
export const gatewayAnswer = Joi.alternatives().try(
  sendAnswer.keys({ ids: many(messageId).description('With several receivers: one for each') }),
  shape({
    ok: Joi.valid(false),
    service: shape({ ok: Joi.valid(false), error: word() }),
    status: Joi.valid('failed'),
    reason: Joi.string(),
  }),
);

/** `message_status`, `cancel_message`. */
export const statusAnswer = answer({
  id: messageId,
  status,
  reason: orNull(Joi.string()),
  send_at: moment().optional(),
  acked_at: orNull(moment()),
});

/** `check_numbers`. */
export const numbersAnswer = answer({
  numbers: many(
    shape({ number: word(), on_whatsapp: Joi.boolean(), jid: orNull(Joi.string()), error: word().optional() }),
  ),
});

const file = shape({ mimetype: Joi.string(), filename: orNull(word()), size_bytes: count() });

const message = {
  id: messageId,
  instance_id: Joi.string(),
  direction: oneOf(['in', 'out']),
  chat_id: Joi.string(),
  is_group: Joi.boolean(),
  phone_number: orNull(Joi.string()),
  sender: orNull(Joi.string()).optional(),
  sender_phone: orNull(Joi.string()).optional(),
  sender_name: orNull(word()).optional(),
  type: Joi.string(),
  body: word(),
  media: orNull(file).optional(),
  media_error: orNull(word()).optional(),
  status,
  reason: orNull(Joi.string()),
  ack: Joi.number().integer().min(-1).max(4),
  priority: oneOf(Object.keys(priorityNames)).optional(),
  campaign: orNull(Joi.string()).optional(),
  created_at: moment(),
  send_at: orNull(moment()),
  expires_at: orNull(moment()),
  happened_at: orNull(moment()),
  acked_at: orNull(moment()),
  edited_at: orNull(moment()),
  revoked_at: orNull(moment()),
};

/** `get_message`. */
export const messageAnswer = answer(message);

/** `list_messages`. */
export const messagesAnswer = answer({ messages: many(shape(message)), next });
