import { changes } from './changes.ts';
import { lookup } from './lookup.ts';
import { questions } from './questions.ts';
import { receiving } from './receiving.ts';
import type { BridgePart } from './records.ts';
import { restrictions } from './restrictions.ts';
import { sending } from './sending.ts';
import { wire } from './wire.ts';

/** The parts of the bridge, in the order they build on each other. Each is one self-contained function: the page gets its text. */
const parts: readonly BridgePart[] = [wire, lookup, sending, receiving, changes, questions, restrictions];

/**
 * Returns the script that puts `window.wapbridge` into the page, in place of the library's own listeners: those make seven
 * calls to Node for one sent message, each answered by an evaluate, and cost two thirds of a send. A part that does not find
 * its modules leaves the others alone; the self-test names what is not there.
 */
export function bridgeScript(bindingName: string): string {
  const calls = parts.map(
    (part) =>
      `try { (${part.toString()})(bridge, window, ${JSON.stringify(bindingName)}); } catch (error) { console.warn(error); }`,
  );
  return `if (!window.wapbridge) { const bridge = {}; ${calls.join('\n')} window.wapbridge = bridge; }`;
}
