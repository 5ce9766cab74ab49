import type { LookupAddress, LookupOptions } from 'node:dns';
import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import {
  type AddressRules,
  blocked,
  createAddressFilter,
  isLocalhost,
  isPublicAddress,
  loopbacks,
} from './model/address.ts';
import { failed } from './outbound-answer.ts';
import { createDenied, type DeniedTarget } from './outbound-denied.ts';
import { createLookup, type Lookup } from './outbound-dns.ts';

/** Where connections may go. */
export interface GuardOptions extends AddressRules {
  /** Never reached, whatever the networks allow: the gateway's own listener, the database. */
  denyTargets?: readonly DeniedTarget[];
  /** Resolves a host name; the machine's resolver by default. */
  lookup?: Lookup;
  /** An HTTP proxy through which everything goes: it resolves names, and decides over what they resolve to. */
  proxyUrl?: string | null;
}

/** For a connection, with the look-up of its name. */
export const connectTimeoutMs = 5_000;

/** Decides over addresses, when a URL is named and again when it is dialled. */
interface Guard {
  /** Returns the URL. @throws GatewayError invalid_input | blocked_address */
  parse(text: string): URL;
  /** Resolves when connections may go to the URL as its name resolves now. @throws GatewayError blocked_address | fetch_failed */
  assertAllowed(url: URL): Promise<void>;
  /** Opens connections, to addresses that may be reached only. */
  connect: buildConnector.connector;
  /** Tells whether the origin has answered from an allow-listed private address: the text of its refusals is not shown. */
  isPrivate(origin: string): boolean;
}

/** Returns the guard. */
export function createGuard(options: GuardOptions): Guard {
  const filter = createAddressFilter(options);
  const lookup = createLookup(options.lookup);
  const isDenied = createDenied(options.denyTargets ?? [], { lookup });
  const privateOrigins = new Set<string>();

  /** Returns the addresses of a host; one bad address among them spoils all (B3.3). */
  async function resolve(hostname: string): Promise<LookupAddress[]> {
    if (isLocalhost(hostname)) {
      const found = loopbacks
        .filter(filter.isAllowed)
        .map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      if (found.length === 0) throw blocked(hostname);
      return found;
    }
    const found = await lookup(hostname).catch((error: unknown) => {
      throw failed('dns', 'The host name could not be resolved', error);
    });
    if (found.length === 0) throw failed('dns', 'The host name could not be resolved');
    const bad = found.find(({ address }) => !filter.isAllowed(address));
    if (bad) throw blocked(`${hostname} resolves to ${bad.address}`);
    return found;
  }

  /** The `lookup` of net.connect: what is checked here is what is dialled, so a second answer of DNS changes nothing. */
  function guardedLookup(
    hostname: string,
    { all }: LookupOptions,
    done: (error: Error | null, address: string | LookupAddress[], family?: number) => void,
  ): void {
    void answer(); // It does not reject: errors go to `done`.
    async function answer() {
      const found = await resolve(hostname).catch((error: Error) => error);
      if (found instanceof Error) done(found, '');
      else if (all) done(null, found);
      else done(null, found[0]?.address ?? '', found[0]?.family);
    }
  }

  /** Opens connections: literals are checked before (no lookup is made for them), the peer's address after, before a byte is written. */
  function createGuardedConnect(): buildConnector.connector {
    const connect = buildConnector({
      timeout: connectTimeoutMs,
      lookup: guardedLookup,
    } as buildConnector.BuildOptions);
    return (target, done) => {
      const literal = filter.literalOf(new URL(`${target.protocol}//${target.host ?? target.hostname}`));
      if (literal !== null && !filter.isAllowed(literal)) {
        done(blocked(literal), null);
        return;
      }
      connect(target, (error, socket) => {
        if (error) return done(error, null);
        const { remoteAddress = '', remotePort = 0 } = socket as Socket;
        const peer = remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '');
        const verdict = filter.isAllowed(peer) ? isDenied(peer, remotePort) : true;
        const decide = (isBad: boolean): void => {
          if (isBad) {
            socket.destroy();
            return done(blocked(`connected to ${peer || 'nobody'}`), null);
          }
          if (!isPublicAddress(peer)) privateOrigins.add(originOf(target));
          done(null, socket);
        };
        if (typeof verdict === 'boolean') return decide(verdict);
        void decideLater(); // It does not reject.
        async function decideLater() {
          decide(await (verdict as Promise<boolean>));
        }
      });
    };
  }

  return {
    parse: (text) => filter.parse(text),

    async assertAllowed(url) {
      const literal = filter.literalOf(url);
      if (literal === null && options.proxyUrl) return;
      const addresses = literal === null ? await resolve(url.hostname) : [{ address: literal }];
      const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
      for (const { address } of addresses) if (await isDenied(address, port)) throw blocked(url.host);
    },

    connect: createGuardedConnect(),

    isPrivate(origin) {
      const literal = filter.literalOf(new URL(origin));
      return privateOrigins.has(origin) || (literal !== null && !isPublicAddress(literal));
    },
  };
}

function originOf(target: buildConnector.Options): string {
  return new URL(`${target.protocol}//${target.host ?? target.hostname}`).origin;
}
