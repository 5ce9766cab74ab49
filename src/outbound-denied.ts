import { networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import { isLocalhost } from './model/address.ts';
import type { Lookup } from './outbound-dns.ts';

/** A place that is never reached, whatever networks are allowed. */
export interface DeniedTarget {
  /** An address, a name, or `0.0.0.0` or `::` for every address of this machine. */
  host: string;
  port: number;
}

/** Returns what tells whether an address with that port is one of the places; a name is asked for then and not before. */
export function createDenied(
  targets: readonly DeniedTarget[],
  { lookup, ownAddresses = machineAddresses }: { lookup: Lookup; ownAddresses?: () => string[] },
): (address: string, port: number) => false | Promise<boolean> {
  async function isAt({ host }: DeniedTarget, address: string): Promise<boolean> {
    if (isLocalhost(host)) return isLoopback(address);
    // A listener on all addresses also listens on loopback, and on one that the machine got a moment ago.
    if (isUnspecified(host)) return isLoopback(address) || isUnspecified(address) || has(ownAddresses(), address);
    if (ipaddr.isValid(host)) return has([host], address);
    const found = await lookup(host).catch(() => []);
    return has(
      found.map((one) => one.address),
      address,
    );
  }

  return (address, port) => {
    const suspects = targets.filter((target) => target.port === port);
    if (suspects.length === 0) return false;
    return Promise.all(suspects.map((target) => isAt(target, address))).then((answers) => answers.includes(true));
  };
}

function machineAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
}

/** IPv4 inside IPv6 is the same address. */
function has(addresses: readonly string[], address: string): boolean {
  return addresses.some((one) => canonical(one) === canonical(address));
}

function isLoopback(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'loopback';
}

function isUnspecified(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unspecified';
}

function canonical(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}
