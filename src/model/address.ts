import ipaddr from 'ipaddr.js';
import { GatewayError } from './errors.ts';

/** Which addresses requests may go to. */
export interface AddressRules {
  /** Private networks that are allowed all the same, e.g. `192.168.1.0/24`. */
  allowCidrs: readonly string[];
  /** Ports below 443 that are allowed beside 80 and 443. */
  allowPorts?: readonly number[];
  /** Refuses `http:`. */
  httpsOnly?: boolean;
}

/** Says of one address whether requests may go to it. */
interface AddressFilter {
  /** True for public addresses and for those inside the allowed networks. */
  isAllowed(address: string): boolean;
  /** Returns the address that a URL names literally (`[::1]` without brackets), null when it names a host. */
  literalOf(url: URL): string | null;
  /**
   * Returns the URL when its form is acceptable: http(s), no credentials, a port that web servers use, no literal bad address.
   * @throws GatewayError invalid_input | blocked_address
   */
  parse(text: string): URL;
}

const maxUrlLength = 2048;
const globalUnicastV6 = ipaddr.parseCIDR('2000::/3');

/**
 * Tells whether the address is reachable on the public Internet: default deny. IPv4 inside IPv6 is
 * judged as IPv4; IPv6 must also lie in 2000::/3, since `ipaddr.js` 2.5 alone calls `::7f00:1` unicast.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address) || address.includes('%')) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  return parsed.kind() === 'ipv4' || parsed.match(globalUnicastV6);
}

/** Tells whether a host name means this machine without asking DNS: `localhost`, `x.localhost`, with or without a final dot. */
export function isLocalhost(hostname: string): boolean {
  return /(^|\.)localhost\.*$/i.test(hostname);
}

/** Returns the judge of addresses and URLs for these rules. */
export function createAddressFilter(rules: AddressRules): AddressFilter {
  const allowed = rules.allowCidrs.map((cidr) =>
    ipaddr.parseCIDR(cidr.includes('/') ? cidr : `${cidr}/${ipaddr.parse(cidr).kind() === 'ipv4' ? 32 : 128}`),
  );
  const ports = new Set([80, 443, ...(rules.allowPorts ?? [])]);
  const protocols = rules.httpsOnly ? ['https:'] : ['https:', 'http:'];

  function isAllowed(address: string): boolean {
    if (isPublicAddress(address)) return true;
    if (!ipaddr.isValid(address) || address.includes('%')) return false;
    const parsed = ipaddr.process(address);
    return allowed.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits));
  }

  function literalOf(url: URL): string | null {
    const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.+$/, '');
    return ipaddr.isValid(host) ? host : null;
  }

  function parse(text: string): URL {
    if (text.length > maxUrlLength)
      throw new GatewayError('invalid_input', `The URL is longer than ${maxUrlLength} characters`);
    if (!URL.canParse(text)) throw new GatewayError('invalid_input', 'The URL is not valid');
    const url = new URL(text);
    if (!protocols.includes(url.protocol))
      throw new GatewayError(
        'invalid_input',
        `The URL must begin with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
      );
    if (url.username || url.password)
      throw new GatewayError('invalid_input', 'The URL must not hold a user name or a password');
    if (url.hostname.replace(/\.+$/, '') === '') throw new GatewayError('invalid_input', 'The URL names no host');
    if (url.port !== '' && Number(url.port) < 443 && !ports.has(Number(url.port))) throw blocked(`port ${url.port}`);
    const literal = literalOf(url);
    if (literal !== null && !isAllowed(literal)) throw blocked(literal);
    if (isLocalhost(url.hostname) && loopbacks.every((address) => !isAllowed(address))) throw blocked(url.hostname);
    return url;
  }

  return { isAllowed, literalOf, parse };
}

/** What `localhost` stands for. */
export const loopbacks = ['127.0.0.1', '::1'] as const;

/** Returns the refusal of an address: the same generic words for every reason, the reason itself for the operator's log. */
export function blocked(reason: string): GatewayError {
  return new GatewayError('blocked_address', undefined, { cause: new Error(`blocked address: ${reason}`) });
}
