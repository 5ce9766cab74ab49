import { type JsonSchema, toJsonSchema } from '../../http/json-schema.ts';
import { failureShape } from './answers/common.ts';

const again = { description: 'The same again, where Frappe’s clients look' };

/** This API's envelope for the API document: objects stand at the top level and under `message`, anything else under `message` alone. */
export const envelope = {
  failure: toJsonSchema(failureShape, 'output'),

  success(answer: JsonSchema | null): JsonSchema {
    if (answer === null) return { type: 'object' };
    if (answer.anyOf) return { anyOf: (answer.anyOf as JsonSchema[]).map(envelope.success) };
    if (answer.type !== 'object') return wrapped({}, answer);
    return wrapped(answer.properties ?? {}, { ...answer, ...again }, answer.required);
  },
};

function wrapped(properties: Record<string, JsonSchema>, message: JsonSchema, required: string[] = []): JsonSchema {
  return { type: 'object', properties: { ...properties, message }, required: [...required, 'message'] };
}
