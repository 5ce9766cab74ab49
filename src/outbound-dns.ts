import { promises as dns, type LookupAddress } from 'node:dns';
import { createSlots } from './model/slots.ts';

/** Resolves a host name to all its addresses. */
export type Lookup = (hostname: string) => Promise<LookupAddress[]>;

/**
 * The machine's resolver works on the four threads that files and the database need too, and a name server that is dead keeps one
 * for half a minute.
 */
const mostAtOnce = 2;

/** Returns the resolver with few questions under way at a time; who asks for a name that is being asked for gets the same answer. */
export function createLookup(resolve: Lookup = systemLookup): Lookup {
  const asked = new Map<string, Promise<LookupAddress[]>>();
  const places = createSlots(mostAtOnce);

  return (hostname) => {
    const known = asked.get(hostname);
    if (known) return known;
    const answer = places.run(() => resolve(hostname)).finally(() => asked.delete(hostname));
    asked.set(hostname, answer);
    return answer;
  };
}

function systemLookup(hostname: string): Promise<LookupAddress[]> {
  return dns.lookup(hostname, { all: true, verbatim: true });
}
