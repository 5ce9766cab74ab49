import type Joi from 'joi';
import { pino } from 'pino';
import { failureShape } from '../../src/dialects/wapbridge/answers/common.ts';
import { createWapbridge } from '../../src/dialects/wapbridge/index.ts';
import type { Core } from '../../src/dialects/core.ts';

/** Whatever is asked of it: the routes are wanted for what they say of themselves, and none is run. */
const anything: Core = new Proxy({} as Core, { get: () => anything });

const routes = new Map(
  createWapbridge({
    core: anything,
    log: pino({ level: 'silent' }),
    version: '0.0.0',
    rateLimitPerMinute: 1,
    syncSendTimeoutMs: 1,
    defaultCountry: null,
  }).routes.map((route) => [route.path, route]),
);

/** Holds an answer of the WapBridge API against what the API document says of it; throws where they differ. */
export function assertDescribed(path: string, { status, body }: { status: number; body: unknown }): void {
  const route = routes.get(path);
  if (!route || typeof body !== 'object' || body === null) return;
  if (status !== 200) return assertFits(`The refusal of ${path}`, failureShape, body);
  const { message, ...fields } = body as Record<string, unknown>;
  if (route.answer) assertFits(`The answer of ${path}`, route.answer, message);
  const isObject = typeof message === 'object' && message !== null;
  if (JSON.stringify(fields) !== JSON.stringify(isObject ? message : {}))
    throw new Error(`The answer of ${path} says other things at the top level than under message`);
}

function assertFits(what: string, schema: Joi.Schema, value: unknown): void {
  const { error } = schema.validate(value, { convert: false, abortEarly: false });
  if (error) throw new Error(`${what} is not as its schema says: ${error.message}\n${JSON.stringify(value)}`);
}
