import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { useBed } from '../support/bed.ts';
import { forEachDatabase } from '../support/database.ts';

/**
 * The requests that the Frappe app makes, as its own tests replay them against a stub, sent to the real gateway: it must answer
 * with the fields that the app reads.
 */
interface Case {
  name: string;
  credentials?: [string, string];
  request: { path: string; headers?: Record<string, string>; body: Record<string, unknown> };
  answer: { status: number };
  /** Path → the value itself, null, a pattern, or `={{name}}` for an id that is kept. */
  fields?: Record<string, unknown>;
  raises?: { code: string; status: number };
  /** Name → path of an id that later cases name. */
  keeps?: Record<string, string>;
}

const folder = new URL('../../frappe-app/contract/', import.meta.url);
const events = readCases('events.json') as string[];
const files = readdirSync(folder)
  .filter((file) => file.endsWith('.json') && file !== 'events.json')
  .toSorted();

function readCases(file: string): unknown {
  return JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
}

/** Returns a part of a case with this run's ids in place of `{{names}}`. */
function filled<T>(part: T, ids: ReadonlyMap<string, string>): T {
  const text = JSON.stringify(part)
    .replaceAll(/\{\{(\w+)\}\}/g, (name, id: string) => ids.get(id) ?? name)
    .replaceAll('"@events"', JSON.stringify(events));
  return JSON.parse(text) as T;
}

function at(body: unknown, path: string): unknown {
  // oxlint-disable-next-line typescript/no-explicit-any -- paths lead into JSON of any shape
  return path.split('.').reduce<any>((value, key) => value?.[key], body);
}

function matching(wanted: unknown): unknown {
  if (typeof wanted !== 'string') return wanted;
  if (wanted.startsWith('=')) return wanted.slice(1);
  return wanted.startsWith('^') ? expect.stringMatching(new RegExp(wanted)) : wanted;
}

forEachDatabase((open) => {
  const bed = useBed(open);

  describe('what the Frappe app asks', () => {
    it.each(files)('is answered as it expects: %s', async (file) => {
      const ids = new Map([['instance', await bed.gateway.link('255757197676')]]);
      for (const recorded of readCases(file) as Case[]) {
        const { request, fields = {}, raises, keeps = {}, ...given } = filled(recorded, ids);
        const [key, secret] = given.credentials ?? bed.gateway.token.split(':');
        const response = await fetch(bed.gateway.app.url + request.path, {
          method: 'POST',
          headers: {
            Authorization: `token ${key}:${secret}`,
            'Content-Type': 'application/json',
            Accept: 'application/json',
            ...request.headers,
          },
          body: JSON.stringify(request.body),
        });
        const body: unknown = await response.json();
        const label = `${given.name}: ${JSON.stringify(body).slice(0, 500)}`;
        expect(response.status, label).toBe(given.answer.status);
        if (raises) {
          expect(body, label).toMatchObject({ ok: false, code: raises.code, message: expect.any(String) });
        }
        for (const [path, wanted] of Object.entries(fields)) {
          expect(at(body, path), `${label} → ${path}`).toEqual(matching(wanted));
        }
        for (const [name, path] of Object.entries(keeps)) ids.set(name, String(at(body, path)));
      }
    });
  });
});
