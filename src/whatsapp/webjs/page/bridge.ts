import { lookup } from './lookup.ts';
import { questions } from './questions.ts';
import { receiving } from './receiving.ts';
import type { BridgePart } from './records.ts';
import { restrictions } from './restrictions.ts';
import { sending } from './sending.ts';
import { wire } from './wire.ts';

/** The parts of the bridge, in the order they build on each other. Each is one self-contained function: the page gets its text. */
const parts: readonly BridgePart[] = [wire, lookup, sending, receiving, questions, restrictions];

/**
 * Returns the script that puts `window.wapbridge` into the page, in place of the library's own listeners: those make seven
 * calls to Node for one sent message, each answered by an evaluate, and cost two thirds of a send.
 */
export function bridgeScript(bindingName: string): string {
  const calls = parts.map((part) => `(${part.toString()})(bridge, window, ${JSON.stringify(bindingName)});`);
  return `if (!window.wapbridge) { const bridge = {}; ${calls.join('\n')} window.wapbridge = bridge; }`;
}
