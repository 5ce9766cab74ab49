import { createTimeZone } from '../../core/campaign/local-time.ts';
import { mainZone, zoneOfPhone } from '../../core/campaign/zones.ts';
import { GatewayError } from '../../model/errors.ts';
import type { Instance } from '../../model/instance.ts';

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
  const iso = text.replace(/^(\d{4}-\d\d-\d\d) (?=\d)/, '$1T');
  const local = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?$/.exec(iso);
  const at = Date.parse(local ? `${iso}${local[4] ? '' : 'T00:00'}Z` : iso);
  if (Number.isNaN(at) || !/^\d{4}-/.test(iso)) throw notATime(field);
  if (!local) return at;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = local
    .slice(1)
    .map((part) => Number(part ?? 0));
  return createTimeZone(zone).instant({ year, month, day }, hour * 60 + minute) + second * 1000;
}

function notATime(field: string): GatewayError {
  const sentence = `${field} must be a time such as 2026-11-23T09:00:00+03:00`;
  return new GatewayError('invalid_input', sentence, { details: { [field]: sentence } });
}
