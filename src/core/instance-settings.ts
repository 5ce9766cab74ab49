import type { AuditChanges } from '../model/audit.ts';
import { GatewayError } from '../model/errors.ts';
import type { ConflictPolicy, Instance } from '../model/instance.ts';
import { isCountry } from '../model/phone.ts';
import type { InstancePatch } from '../store/instances.ts';
import { changesBetween } from './audit.ts';
import type { Secrets } from './secrets.ts';

/** Settings of an instance; null goes back to the default. */
export interface InstanceChanges {
  title?: string;
  defaultCountry?: string | null;
  onConflict?: ConflictPolicy;
  /** `http`, `https` or `socks5` with host and port, user and password where needed. */
  proxyUrl?: string | null;
  userAgent?: string | null;
}

/** Returns changes as they are kept: the proxy sealed. @throws GatewayError invalid_input */
export function toPatch(changes: InstanceChanges, secrets: Pick<Secrets, 'seal'>): InstancePatch {
  const { proxyUrl, ...plain } = changes;
  checkCountry(changes.defaultCountry);
  checkUserAgent(changes.userAgent);
  if (proxyUrl === undefined) return plain;
  if (proxyUrl !== null) checkProxy(proxyUrl);
  return { ...plain, proxySealed: proxyUrl === null ? null : secrets.seal(proxyUrl) };
}

/** Returns what the audit log tells of a change: of a proxy, whose address may hold a password, only that there is one. */
export function audited(instance: Instance, { proxySealed, ...plain }: InstancePatch): AuditChanges {
  const changes = changesBetween({ ...instance }, { ...plain });
  if (proxySealed === undefined || (proxySealed === null && instance.proxySealed === null)) return changes;
  const from = instance.proxySealed === null ? {} : { from: 'set' };
  const to = proxySealed === null ? {} : { to: instance.proxySealed === null ? 'set' : 'set anew' };
  return { ...changes, proxy: { ...from, ...to } };
}

/** Refuses what is no country; none is fine. @throws GatewayError invalid_input */
export function checkCountry(country: string | null | undefined): void {
  if (country && !isCountry(country))
    throw new GatewayError('invalid_input', `${country} is not an ISO country`, {
      details: { default_country: 'is not an ISO country' },
    });
}

/** What a header cannot hold, no browser starts with. */
function checkUserAgent(text: string | null | undefined): void {
  if (!text || /^[\x20-\x7e]+$/.test(text)) return;
  throw new GatewayError('invalid_input', 'The user agent must be one line of ASCII characters', {
    details: { user_agent: 'must be one line of ASCII characters' },
  });
}

const proxySchemes = new Set(['http:', 'https:', 'socks5:']);

function checkProxy(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && proxySchemes.has(url.protocol) && url.hostname && !url.search && !url.hash && url.pathname.length <= 1)
    return;
  throw new GatewayError(
    'invalid_input',
    'The proxy must be http, https or socks5 with a host: http://user:password@host:8080',
    {
      details: { proxy_url: 'must be http, https or socks5 with a host' },
    },
  );
}
