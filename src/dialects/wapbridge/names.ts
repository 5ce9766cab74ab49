import { GatewayError } from '../../model/errors.ts';

/** The names under which one parameter may come, the documented one first. */
export const aliases = {
  message: ['message', 'text', 'msg', 'body'],
  to_number: ['to_number', 'to', 'phone', 'mobile', 'receiver'],
} as const satisfies Record<string, readonly string[]>;

/**
 * Returns the parameter under any of its names.
 * @throws GatewayError invalid_input when none is there
 */
export function required(input: object, name: keyof typeof aliases): string {
  for (const alias of aliases[name]) {
    const value: unknown = Reflect.get(input, alias);
    if (typeof value === 'string' && value.trim() !== '') return value;
  }
  throw missing(name);
}

/** Returns by what a call names its instance; neither is needed where there is only one. */
export function instanceOf(input: { instance_id?: string; from_number?: string }): {
  instanceId?: string;
  fromNumber?: string;
} {
  return {
    ...(input.instance_id !== undefined && { instanceId: input.instance_id }),
    ...(input.from_number !== undefined && { fromNumber: input.from_number }),
  };
}

/** Returns the error of a parameter that is not there or empty. */
export function missing(name: string): GatewayError {
  return new GatewayError('invalid_input', `${name} is required`, { details: { [name]: `${name} is required` } });
}
