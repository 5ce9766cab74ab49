import Joi from 'joi';

/** The fields of an object in an answer; each is there unless it says `optional()`. */
export type Fields = Record<string, Joi.Schema>;

/** Returns the schema of an object in an answer. */
export function shape(fields: Fields): Joi.ObjectSchema {
  const present = Object.entries(fields).map(([name, field]) => [
    name,
    field.$_getFlag('presence') === 'optional' ? field : field.required(),
  ]);
  return Joi.object(Object.fromEntries(present) as Fields);
}

/** Returns the schema of a text; an empty one is a text too. */
export function word(): Joi.StringSchema {
  return Joi.string().allow('');
}

/** Returns the schema of one of these words. */
export function oneOf(words: readonly string[]): Joi.StringSchema {
  return Joi.string().valid(...words);
}

/** Returns the schema of a number of things. */
export function count(): Joi.NumberSchema {
  return Joi.number().integer().min(0);
}

/** Returns the schema of a time: ISO 8601 in UTC. */
export function moment(): Joi.StringSchema {
  return Joi.string().isoDate();
}

/** Returns the schema of a list. */
export function many(item: Joi.Schema): Joi.ArraySchema {
  return Joi.array().items(item);
}

/** Returns the schema of what may be null. */
export function orNull<S extends Joi.Schema>(schema: S): S {
  return schema.allow(null) as S;
}
