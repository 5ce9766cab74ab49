import { createTimeZone } from '../../core/campaign/local-time.ts';
import { mainZone, zoneOfPhone } from '../../core/campaign/zones.ts';
import { GatewayError } from '../../model/errors.ts';
import type { Instance } from '../../model/instance.ts';
import { parseIsoTime } from '../../model/time.ts';

/** Returns the time zone by which the instance's number lives, UTC while it has none. */
export function homeZone({ phone }: Instance): string {
  return mainZone((phone && zoneOfPhone(phone)) || 'UTC');
}

/**
 * Returns the Unix ms of a time as callers write it: ISO 8601, Frappe's `2026-11-23 09:00:00`, or Unix time in seconds or ms;
 * without an offset it is local to `zone`. @throws GatewayError invalid_input, naming the field
 */
export function momentOf(field: string, text: string, zone: string): number {
  if (/^\d{10}(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (/^\d{13}$/.test(text)) return Number(text);
  const at = parseIsoTime(text);
  if (Number.isNaN(at)) throw notATime(field);
  if (/[T ].*[Z+-]/i.test(text)) return at;
  const wall = new Date(at);
  const [year, month, day] = [wall.getUTCFullYear(), wall.getUTCMonth() + 1, wall.getUTCDate()];
  const minute = wall.getUTCHours() * 60 + wall.getUTCMinutes();
  return createTimeZone(zone).instant({ year, month, day }, minute) + (at - wall.setUTCSeconds(0, 0));
}

function notATime(field: string): GatewayError {
  const sentence = `${field} must be a time such as 2026-11-23T09:00:00+03:00`;
  return new GatewayError('invalid_input', sentence, { details: { [field]: sentence } });
}
