import Joi from 'joi';
import { type Fields, many, orNull, shape, word } from '../../../http/answer-schema.ts';
import { errorTable } from '../../../model/errors.ts';

/** Returns the schema of an answer, as it stands under `message` and, field by field, at the top level. */
export function answer(fields: Fields): Joi.ObjectSchema {
  return shape({ ok: Joi.valid(true), ...fields });
}

/** The value for the next page; null at the end. */
export const next = orNull(Joi.string()).description('before or after of the next page; null at the end');

/** Errors: Frappe's envelope, and what a program needs beside it. */
export const failureShape = shape({
  ok: Joi.valid(false),
  exc_type: Joi.string().description('The class of the exception'),
  exception: word().description('Its class and sentence'),
  exc: Joi.string().description('A JSON list, as a text'),
  _server_messages: Joi.string().description('A JSON list of JSON objects, as texts'),
  message: word().description('What went wrong, for people'),
  code: Joi.valid(...Object.keys(errorTable)).description('What went wrong, for programs'),
  fields: Joi.object().pattern(Joi.string(), word()).description('Parameter → what is wrong with it').optional(),
  status: Joi.string().description('The status that the message has').optional(),
  choices: many(Joi.string()).description('What may be named instead').optional(),
  invalid: many(shape({ number: word(), reason: word() }))
    .description('Numbers that cannot be written to')
    .optional(),
});
