import type { EndpointKeys } from './lane.ts';

const mark = '[hidden]';
/** What is shorter is no secret, and would be found everywhere. */
const leastLength = 6;

/**
 * Returns what a receiver said without what it was told in confidence: some answer with the request they got, and the answer is
 * kept and shown.
 */
export function withoutConfidences(text: string, { url, keys }: { url: string; keys: EndpointKeys }): string {
  // Most say no more than "ok".
  if (text.length < leastLength) return text;
  let shown = text;
  for (const secret of confidences(url, keys)) {
    shown = shown.replaceAll(secret, mark);
    // The kept text may end in the middle of one.
    for (let length = Math.min(secret.length - 1, shown.length); length >= leastLength; length -= 1) {
      if (!shown.endsWith(secret.slice(0, length))) continue;
      shown = shown.slice(0, -length) + mark;
      break;
    }
  }
  return shown;
}

/** Returns an address without the values of its query, which often hold a key. */
export function withoutQuery(address: string): string {
  const { origin, pathname, search } = new URL(address);
  return `${origin}${pathname}${search === '' ? '' : '?…'}`;
}

function confidences(url: string, { secret, oldSecrets, headers }: EndpointKeys): string[] {
  const query = new URL(url).searchParams;
  const all = [secret ?? '', ...oldSecrets.map((old) => old.secret), ...Object.values(headers), ...query.values()];
  return [...new Set(all)].filter((one) => one.length >= leastLength).toSorted((a, b) => b.length - a.length);
}
