import Joi from 'joi';

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
    jsonSchema: (_schema: unknown, result: Record<string, unknown>) => ({ ...result, type: 'array' }),
  }),
) as Joi.Root & { text(): Joi.StringSchema; list(): Joi.ArraySchema };

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

function listOf(value: string): unknown {
  if (!value.trimStart().startsWith('[')) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
