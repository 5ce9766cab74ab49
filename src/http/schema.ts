import Joi from 'joi';
import { type Rows, isRows, rowsOfValue } from './rows.ts';

const extended = Joi.extend(
  (joi) => ({
    type: 'text',
    base: joi.string(),
    coerce: {
      from: 'number',
      method: (value: number) => (Number.isSafeInteger(value) ? { value: String(value) } : { value }),
    },
    jsonSchema: (_schema: unknown, result: Record<string, unknown>) => ({ ...result, type: 'string' }),
  }),
  (joi) => ({
    type: 'list',
    base: joi.array(),
    coerce: { from: 'string', method: (value: string) => ({ value: listOf(value) }) },
    jsonSchema: listSchema,
  }),
  (joi) => ({
    type: 'words',
    base: joi.array(),
    coerce: { from: 'string', method: (value: string) => ({ value: wordsOf(value) }) },
    jsonSchema: listSchema,
  }),
  (joi) => ({
    type: 'rows',
    base: joi.any(),
    messages: { 'rows.base': '{{#label}} must be a list' },
    coerce: (value: unknown) => ({ value: rowsOfValue(value) ?? value }),
    validate: (value: unknown, helpers: Joi.CustomHelpers) =>
      isRows(value) ? { value } : { value, errors: helpers.error('rows.base') },
    jsonSchema: (_schema: unknown, result: Record<string, unknown>) => ({ ...result, type: 'array' }),
  }),
  (joi) => ({
    type: 'record',
    base: joi.object(),
    coerce: { from: 'string', method: (value: string) => ({ value: recordOf(value) }) },
    jsonSchema: (_schema: unknown, result: Record<string, unknown>) => ({ ...result, type: 'object' }),
  }),
) as Joi.Root & {
  record(): Joi.ObjectSchema;
  text(): Joi.StringSchema;
  list(): Joi.ArraySchema;
  words(): Joi.ArraySchema;
  rows(): Joi.ObjectSchema<Rows>;
};

/** Returns a schema of text that also takes whole numbers: phone numbers and ids often come as JSON numbers. */
export function text(): Joi.StringSchema {
  return extended.text();
}

/** Returns a schema of optional text for which empty and null mean absent: forms send every field they have. */
export function optionalText(): Joi.StringSchema {
  return extended.text().trim().empty(Joi.valid('', null));
}

/** Returns a schema of a list that may also come as JSON inside a text, as queries and forms carry it. */
export function list(): Joi.ArraySchema {
  return extended.list();
}

/** Returns a schema of a list of these words, also as one text with commas, as forms carry it; the refusal names, once, what is unknown and what there is. */
export function choices(noun: string, words: readonly string[]): Joi.ArraySchema {
  return extended
    .words()
    .items(Joi.string().trim().lowercase())
    .single()
    .min(1)
    .empty(Joi.valid('', null))
    .custom((given: string[], helpers) => {
      const unknown = given.filter((word) => !words.includes(word)).join(', ');
      return unknown === '' ? given : helpers.error('any.invalid', { unknown });
    })
    .messages({ 'any.invalid': `There is no ${noun} {{#unknown}}: choose from ${words.join(', ')}` })
    .meta({ items: { type: 'string', enum: words } });
}

/** How the API document shows a list, with what it holds, which joi itself cannot tell. */
function listSchema(schema: Joi.Schema, result: Record<string, unknown>): Record<string, unknown> {
  const metas = (schema.describe() as { metas?: object[] }).metas ?? [];
  return Object.assign({ ...result, type: 'array' }, ...metas) as Record<string, unknown>;
}

/** Returns a schema of a list that may be too long for memory: a JSON array, numbers in a text, CSV; the handler gets `Rows`. */
export function rows(): Joi.ObjectSchema<Rows> {
  return extended.rows().empty(Joi.valid('', null));
}

/** Returns a schema of an object that may also come as JSON inside a text, as forms carry it. */
export function record<T extends object>(keys: Joi.StrictSchemaMap<T>): Joi.ObjectSchema<T> {
  return (extended.record() as Joi.ObjectSchema<T>).keys(keys);
}

function listOf(value: string): unknown {
  return value.trimStart().startsWith('[') ? jsonOr(value) : value;
}

function wordsOf(value: string): unknown {
  const list = listOf(value);
  if (typeof list !== 'string' || !list.includes(',')) return list;
  return list
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean);
}

function recordOf(value: string): unknown {
  return value.trimStart().startsWith('{') ? jsonOr(value) : value;
}

function jsonOr(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
