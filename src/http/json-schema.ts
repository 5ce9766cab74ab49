import type Joi from 'joi';

/** A JSON Schema (2020-12), as far as it is looked into here. */
export interface JsonSchema {
  type?: string | string[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  enum?: unknown[];
  additionalProperties?: boolean;
  [keyword: string]: unknown;
}

/** Returns a joi schema as JSON Schema: of what is sent (`input`), or of what comes back, which may have more fields one day. */
export function toJsonSchema(schema: Joi.Schema, side: 'input' | 'output'): JsonSchema {
  const { jsonSchema } = schema['~standard'];
  const repair = (part: JsonSchema) => (side === 'output' ? open(withNull(part)) : withNull(part));
  return everywhere(jsonSchema[side]({ target: 'draft-2020-12' }), repair) as JsonSchema;
}

function everywhere(part: unknown, repair: (schema: JsonSchema) => JsonSchema): unknown {
  if (Array.isArray(part)) return part.map((item) => everywhere(item, repair));
  if (typeof part !== 'object' || part === null) return part;
  const entries = Object.entries(part).map(([key, value]) => [key, everywhere(value, repair)] as const);
  return repair(Object.fromEntries(entries) as JsonSchema);
}

/** Joi says of a list of values that may be null that null is of the type, but leaves it out of the values, which refuses it again. */
function withNull(schema: JsonSchema): JsonSchema {
  const isNullable = Array.isArray(schema.type) && schema.type.includes('null');
  if (!isNullable || !Array.isArray(schema.enum) || schema.enum.includes(null)) return schema;
  return { ...schema, enum: [...schema.enum, null] };
}

function open({ additionalProperties: _closed, ...schema }: JsonSchema): JsonSchema {
  return schema;
}
