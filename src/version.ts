import { readFileSync } from 'node:fs';

/** The gateway's version, from package.json: one folder up from `src`, two from `dist/src`. */
export const version: string = readVersion(['../package.json', '../../package.json']);

function readVersion(places: string[]): string {
  for (const place of places) {
    try {
      const { name, version: found } = JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as {
        name: string;
        version: string;
      };
      if (name === 'wapbridge-gateway') return found;
    } catch {
      // Not here: the next place.
    }
  }
  throw new Error('package.json was not found beside the program');
}
