import { BlockList } from 'node:net';
import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';

/**
 * Returns a reader of the client's address: the peer's, or, while the peer is one of the trusted proxies (CIDRs), the nearest
 * address of `X-Forwarded-For` that is not.
 */
export function createClientIp(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  const trusted = new BlockList();
  for (const cidr of trustedProxies) {
    const [address = '', bits] = cidr.split('/');
    const kind = ipaddr.parse(address).kind();
    trusted.addSubnet(address, Number(bits ?? (kind === 'ipv4' ? 32 : 128)), kind);
  }

  function isTrusted(ip: string): boolean {
    return trusted.check(ip, ip.includes(':') ? 'ipv6' : 'ipv4');
  }

  return (request) => {
    let ip = plain(request.socket.remoteAddress ?? '');
    if (trustedProxies.length === 0) return ip;
    const header = request.headers['x-forwarded-for'];
    const forwarded = (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').map((part) => part.trim());
    while (forwarded.length > 0 && ipaddr.isValid(ip) && isTrusted(ip)) {
      const next = plain(forwarded.pop() ?? '');
      if (!ipaddr.isValid(next)) break;
      ip = next;
    }
    return ip;
  };
}

/** IPv4 inside IPv6 (`::ffff:10.0.0.1`, as a dual-stack socket reports it) is IPv4. */
function plain(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}
