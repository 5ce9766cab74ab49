import Joi from 'joi';
import type { UploadedFile } from '../../http/body-params.ts';
import { list, optionalText, text } from '../../http/schema.ts';
import { isUlid } from '../../model/ids.ts';
import { type Priority, priorities } from '../../model/message.ts';
import { isCountry } from '../../model/phone.ts';

/** What a text message may hold on WhatsApp. */
const maxTextLength = 65_536;
const maxTtlSeconds = 7 * 24 * 3600;
const maxNumbersToCheck = 50;

/** The lanes of the queue as this API names them; bulk messages of campaigns come after `low`. */
export const priorityNames = {
  high: priorities.otp,
  normal: priorities.interactive,
  low: priorities.bulk,
} as const satisfies Record<string, Priority>;
/** This API's word for a priority. */
export type PriorityName = keyof typeof priorityNames;

/** What `send_api_message` is given. */
export interface SendInput {
  from_number?: string;
  instance_id?: string;
  to_number: string;
  message?: string;
  media_data?: string;
  media_url?: string;
  mime_type?: string;
  filename?: string;
  caption?: string;
  file?: UploadedFile;
  country?: string;
  ttl?: number;
  send_at?: string;
  priority?: PriorityName;
  wait?: number;
}

/** `send_api_message`: the source's fields, and ours. */
export const sendInput = Joi.object<SendInput, true>({
  from_number: optionalText()
    .max(40)
    .description('WhatsApp number connected to your instance')
    .example('+255700000000'),
  instance_id: optionalText().max(32).description('The instance, in place of from_number').example('INST-01-0000142'),
  to_number: text()
    .trim()
    .max(100)
    .required()
    .description('Destination number with country code, or a WhatsApp address')
    .example('+255755123456'),
  message: text()
    .empty(Joi.valid('', null))
    .max(maxTextLength)
    .description('Text content')
    .example('Hello from WapBridge'),
  media_data: Joi.string().empty(Joi.valid('', null)).description('Base64 file content'),
  media_url: optionalText().max(2048).description('Address of a file, in place of media_data'),
  mime_type: optionalText().max(140).example('image/jpeg'),
  filename: optionalText().max(255).description('Original file name'),
  caption: text().empty(Joi.valid('', null)).max(maxTextLength).description('Caption of the file'),
  file: Joi.object<UploadedFile>()
    .empty(Joi.valid('', null))
    .custom(checkFile)
    .description('A file, in a multipart form'),
  country: country(),
  ttl: ttl(),
  send_at: sendAt(),
  priority: priority(),
  wait: Joi.number()
    .empty(Joi.valid('', null))
    .min(0)
    .max(120)
    .description('Seconds to wait for WhatsApp Web at most; 0 answers as soon as the message is stored')
    .example(0),
});

/** What the SMS Settings of ERPNext send. */
export interface GatewayInput {
  message?: string;
  text?: string;
  msg?: string;
  body?: string;
  to_number?: string;
  to?: string;
  phone?: string;
  mobile?: string;
  receiver?: string;
  instance_id?: string;
  from_number?: string;
  on_error?: string;
  country?: string;
  ttl?: number;
  send_at?: string;
  /** Anything: static parameters of another gateway may have stayed. */
  priority?: string;
}

/** `erpnext_notification_gateway`: SMS gateways name things differently, so aliases are read. */
export const gatewayInput = Joi.object<GatewayInput, true>({
  message: smsText().description('Text; HTML becomes WhatsApp markup'),
  text: smsText().description('Same as message'),
  msg: smsText().description('Same as message'),
  body: smsText().description('Same as message'),
  to_number: receiver().description('Receiver; several are separated by , ; / or line breaks').example('+255757123456'),
  to: receiver().description('Same as to_number'),
  phone: receiver().description('Same as to_number'),
  mobile: receiver().description('Same as to_number'),
  receiver: receiver().description('Same as to_number'),
  instance_id: optionalText()
    .max(32)
    .description('The instance; else the token’s, else the only one')
    .example('INST-01-0000142'),
  from_number: optionalText().max(40).description('The instance by its number'),
  on_error: optionalText()
    .valid('accept', 'fail')
    .description('accept: a number that cannot be reached is answered with 200 and "ok": false'),
  country: country(),
  ttl: ttl(),
  send_at: sendAt(),
  priority: optionalText()
    .lowercase()
    .description('high, normal or low; anything else is ignored, and one-time codes are high by themselves'),
});

/** What `check_numbers` is given. */
interface CheckInput {
  numbers: string[];
  instance_id?: string;
  from_number?: string;
  country?: string;
}

/** `check_numbers`. */
export const checkInput = Joi.object<CheckInput, true>({
  numbers: list()
    .items(text().trim().max(100))
    .single()
    .min(1)
    .max(maxNumbersToCheck)
    .required()
    .description('Numbers to look up'),
  instance_id: optionalText().max(32),
  from_number: optionalText().max(40),
  country: country(),
});

/** `message_status`, `cancel_message`. */
export const messageInput = Joi.object<{ id: string }, true>({
  id: text()
    .trim()
    .max(190)
    .required()
    .description('The id a send has answered, or its last part')
    .example('true_255755123456@c.us_3EB0C767D26A1D5F2E5A49'),
});

function smsText(): Joi.StringSchema {
  return text().empty(Joi.valid('', null)).max(maxTextLength);
}

function receiver(): Joi.StringSchema {
  return optionalText().max(2000);
}

/** The country by which local numbers of a request are read. */
export function country(): Joi.StringSchema {
  return optionalText()
    .uppercase()
    .custom((code: string, helpers) => (isCountry(code) ? code : helpers.error('any.invalid')))
    .messages({ 'any.invalid': 'country must be an ISO code, e.g. TZ' })
    .description('Country by which local numbers are read')
    .example('TZ');
}

/** What a time is written as, wherever this API takes one. */
export function moment(): Joi.StringSchema {
  return optionalText().max(40).example('2026-11-23T09:00:00+03:00');
}

/** Where a page of a list begins; what names no place in it would be answered with the wrong page. */
export function pageCursor(isPlace: (text: string) => boolean = isUlid): Joi.StringSchema {
  return optionalText()
    .uppercase()
    .custom((place: string, helpers) => (isPlace(place) ? place : helpers.error('any.invalid')))
    .messages({ 'any.invalid': '{{#label}} must be the next of the page before' })
    .description('next of the page before');
}

function sendAt(): Joi.StringSchema {
  return moment().description(
    'Sends it then, at most 366 days ahead: ISO 8601, or Unix seconds; without an offset in the zone of the instance’s number; ttl counts from it',
  );
}

function priority(): Joi.StringSchema {
  return optionalText()
    .lowercase()
    .valid(...Object.keys(priorityNames))
    .description('Who goes first when several wait: high before normal before low')
    .example('low');
}

function ttl(): Joi.NumberSchema {
  return Joi.number()
    .empty(Joi.valid('', null))
    .integer()
    .min(1)
    .max(maxTtlSeconds)
    .description('Seconds after which the message is dropped instead of sent late')
    .example(300);
}

function checkFile(file: Partial<UploadedFile>, helpers: Joi.CustomHelpers): unknown {
  return Buffer.isBuffer(file.data) ? file : helpers.error('object.base', { type: 'file' });
}
