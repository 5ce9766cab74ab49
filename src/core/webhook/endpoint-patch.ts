import { GatewayError } from '../../model/errors.ts';
import { type EventChoice, isEventType } from '../../model/events.ts';
import type { Clock } from '../../model/time.ts';
import type { Outbound } from '../../outbound.ts';
import type { EndpointPatch, StoredEndpoint } from '../../store/webhooks.ts';
import type { Secrets } from '../secrets.ts';
import { healthy } from './schedule.ts';

/** What of an endpoint its owner may change; what is absent stays as it is. */
export interface EndpointChanges {
  title?: string | null;
  url?: string;
  /** Null removes the secret and those before it. */
  secret?: string | null;
  /** For how long the secret so far signs too; 24 h by default, 0 for not at all. */
  overlapMs?: number;
  events?: readonly EventChoice[];
  /** Sent beside the gateway's own headers; an empty object removes them. */
  headers?: Readonly<Record<string, string>>;
  isOrdered?: boolean;
  /** Waiting times after the first, second … failure from now on: none for a single try, null for the usual ones. */
  retrySeconds?: number[] | null;
  /** True forgets past failures. */
  enabled?: boolean;
}

interface PatchDeps {
  outbound: Pick<Outbound, 'assertAllowed'>;
  secrets: Pick<Secrets, 'seal' | 'open'>;
  clock: Pick<Clock, 'now'>;
  /** For how long deliveries are kept. */
  retentionDays: number;
}

const overlapMs = 24 * 60 * 60 * 1000;
const daySeconds = 24 * 60 * 60;
const maxOldSecrets = 3;
const maxHeaders = 20;
/** What the gateway itself sends, and what would break the request. */
const reservedHeader =
  /^(webhook-.*|content-.*|transfer-encoding|connection|keep-alive|host|expect|upgrade|te|trailer|proxy-.*)$/;

/** Returns the function that turns what an owner says into columns. @throws (the function) GatewayError invalid_input | blocked_address | fetch_failed */
export function createPatch({ outbound, secrets, clock, retentionDays }: PatchDeps) {
  async function patchOf(changes: EndpointChanges, known: StoredEndpoint | null): Promise<EndpointPatch> {
    const { title, url, headers, isOrdered, enabled } = changes;
    if (url !== undefined) await outbound.assertAllowed(url);
    const again = enabled === true || (url !== undefined && url !== known?.url);
    return {
      ...(title !== undefined && { title: title || null }),
      ...(url !== undefined && { url }),
      ...checkedEvents(changes.events),
      ...secretPatch(changes, known),
      ...(headers !== undefined && headersPatch(headers)),
      ...(isOrdered !== undefined && { isOrdered }),
      ...retryPatch(changes.retrySeconds),
      ...(enabled !== undefined && { enabled, disabledReason: enabled ? null : 'Disabled by its owner' }),
      ...(again && healthy),
    };
  }

  /** The secret that is replaced goes on signing, so that a receiver can change it when it likes. */
  function secretPatch(changes: EndpointChanges, known: StoredEndpoint | null): EndpointPatch {
    const { secret } = changes;
    if (secret === undefined) return {};
    if (secret === null || secret === '') return { sealedSecret: null, oldSecrets: [] };
    if (!/^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/.test(secret))
      throw new GatewayError('invalid_input', 'The secret must be at most 255 printable ASCII characters', {
        details: { secret: 'not printable ASCII' },
      });
    // Saying the same again is no change.
    if (known?.sealedSecret && secrets.open(known.sealedSecret) === secret) return {};
    const until = clock.now() + (changes.overlapMs ?? overlapMs);
    const old = [
      ...(known?.sealedSecret ? [{ sealed: known.sealedSecret, until }] : []),
      ...(known?.oldSecrets ?? []).map((one) => ({ ...one, until: Math.min(one.until, until) })),
    ];
    return {
      sealedSecret: secrets.seal(secret),
      oldSecrets: old.filter((one) => one.until > clock.now()).slice(0, maxOldSecrets),
    };
  }

  function headersPatch(headers: Readonly<Record<string, string>>): EndpointPatch {
    const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
    const bad = entries.find(
      ([name, value]) =>
        !/^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(name) ||
        reservedHeader.test(name) ||
        !/^[\x20-\x7e]{0,1024}$/.test(value),
    );
    if (bad || entries.length > maxHeaders)
      throw new GatewayError(
        'invalid_input',
        bad ? `The header ${bad[0]} cannot be sent` : `There may be ${maxHeaders} headers at most`,
        { details: { headers: bad ? bad[0] : 'too many' } },
      );
    const names = entries.map(([name]) => name);
    const sealed = names.length === 0 ? null : secrets.seal(JSON.stringify(Object.fromEntries(entries)));
    return { headerNames: names, sealedHeaders: sealed };
  }

  /** What would wait for longer than deliveries are kept would be removed before its last try. */
  function retryPatch(retrySeconds: number[] | null | undefined): EndpointPatch {
    const total = (retrySeconds ?? []).reduce((sum, seconds) => sum + seconds, 0);
    if (total > retentionDays * daySeconds)
      throw new GatewayError('invalid_input', `Retries may take ${retentionDays} days in all at most`, {
        details: { retry_seconds: `more than ${retentionDays} days in all` },
      });
    return retrySeconds === undefined ? {} : { retrySeconds };
  }

  return patchOf;
}

function checkedEvents(events: readonly string[] | undefined): { events?: EventChoice[] } {
  if (events === undefined) return {};
  if (events.includes('*')) return { events: ['*'] };
  const unknown = events.filter((event) => !isEventType(event));
  if (unknown.length > 0)
    throw new GatewayError('invalid_input', `There is no event called ${unknown.join(', ')}`, {
      details: { events: `unknown: ${unknown.join(', ')}` },
    });
  return { events: [...new Set(events.filter(isEventType))] };
}
