import { GatewayError } from '../../model/errors.ts';

/** A place in a template that a recipient's field fills. */
interface TemplateVariable {
  /** As `variableKey` writes it. */
  key: string;
  /** Stands in when the recipient has no such field. */
  fallback: string | null;
}

/** A text with variables and alternatives, ready to be rendered for any number of recipients. */
export interface Template {
  /** Each variable once, in the order of the text; one that has a default anywhere else still needs a value where it has none. */
  variables: readonly TemplateVariable[];
  /** How many different texts the alternatives make, without the variables; at most `Number.MAX_SAFE_INTEGER`. */
  variants: number;
  /** Returns the keys of the variables that have neither a value nor a default; an empty value is none. */
  missing(values: Readonly<Record<string, string>>): string[];
  /** Returns the text; the same values and seed always give the same one. Values are put in as they are, never read as template. */
  render(values: Readonly<Record<string, string>>, seed: number): string;
}

type Part =
  | { type: 'text'; text: string }
  | { type: 'variable'; key: string; fallback: string | null }
  | { type: 'choice'; alternatives: Part[][] };

const maxDepth = 10;
const variable = /\{\{\s*([\p{L}\p{N}_][\p{L}\p{N}\p{M}_ .-]*?)\s*(?:\|([^{}]*))?\}\}/uy;
const plain = /[^\\{}|]+/y;

const unclosed = 'This { is never closed: write \\{ for the character itself';
const badVariable = 'This {{ is not closed by }}, or what it holds is not the name of a field';
const noAlternatives =
  'These braces hold no alternatives: write {{name}} for a field of the recipient, {a|b} for alternatives, or \\{ for the character itself';

/**
 * Returns the template that a text means: `{{name}}`, `{{name|default}}`, alternatives `{Hi|Hello}`, also inside one another,
 * and `\{` `\}` `\|` `\\` for the characters themselves. A `|` outside of braces is an ordinary character.
 * @throws GatewayError invalid_input, with the position (the first character is 1) and a way out
 */
export function parseTemplate(text: string): Template {
  let at = 0;

  function sequence(depth: number): Part[] {
    const parts: Part[] = [];
    while (at < text.length) {
      const char = text[at]!;
      if (depth > 0 && (char === '|' || char === '}')) break;
      if (char === '}') throw syntaxError(at, 'This } closes nothing: write \\} for the character itself');
      parts.push(char === '{' ? (readVariable() ?? choice(depth + 1)) : { type: 'text', text: readText() });
    }
    return parts;
  }

  /** `{{{name}}|friend}` is an alternative that begins with a variable, so the first brace of three is the group's. */
  function readVariable(): Part | null {
    if (text.startsWith('{{{', at)) return null;
    variable.lastIndex = at;
    const match = variable.exec(text);
    if (!match) return null;
    at = variable.lastIndex;
    return { type: 'variable', key: variableKey(match[1]!), fallback: match[2]?.trim() ?? null };
  }

  function choice(depth: number): Part {
    const openedAt = at;
    if (depth > maxDepth) throw syntaxError(openedAt, `There are more than ${maxDepth} braces inside one another`);
    const alternatives: Part[][] = [];
    do {
      at += 1;
      alternatives.push(sequence(depth));
    } while (text[at] === '|');
    const isClosed = at < text.length;
    at += 1;
    if (isClosed && alternatives.length > 1) return { type: 'choice', alternatives };
    if (text[openedAt - 1] === '{') throw syntaxError(openedAt - 1, badVariable);
    throw syntaxError(openedAt, isClosed ? noAlternatives : unclosed);
  }

  function readText(): string {
    if (text[at] === '\\') {
      const escaped = text[at + 1];
      const isEscape = escaped !== undefined && '{}|\\'.includes(escaped);
      at += isEscape ? 2 : 1;
      return isEscape ? escaped : '\\';
    }
    if (text[at] === '|') {
      at += 1;
      return '|';
    }
    plain.lastIndex = at;
    const [run = ''] = plain.exec(text) ?? [];
    at += run.length;
    return run;
  }

  const parts = sequence(0);
  const variables = variablesOf(parts);
  return {
    variables,
    variants: variantsOf(parts),
    missing: (values) =>
      variables.filter(({ key, fallback }) => fallback === null && !hasValue(values, key)).map(({ key }) => key),
    render(values, seed) {
      const random = seededRandom(seed);
      return write(parts, values, random);
    },
  };
}

/** Returns the name of a field as templates compare it: `First Name`, `first-name` and `first_name` are one. */
export function variableKey(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replace(/[\s.-]+/g, '_');
}

/** Returns `variableKey` with a memory: lists of a million repeat the same few names. */
export function createKeyReader(): (name: string) => string {
  const known = new Map<string, string>();
  return (name) => {
    let key = known.get(name);
    if (key === undefined) {
      key = variableKey(name);
      if (known.size < 1_000) known.set(name, key);
    }
    return key;
  };
}

/** Returns the seed of a recipient's text, so that a retry says the same: 32 bits of FNV-1a. */
export function templateSeed(campaignId: string, phone: string): number {
  let hash = 0x811c9dc5;
  for (const char of `${campaignId}/${phone}`) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  return hash >>> 0;
}

function syntaxError(at: number, sentence: string): GatewayError {
  return new GatewayError('invalid_input', `The message cannot be read at character ${at + 1}: ${sentence}`, {
    details: { message: `cannot be read at character ${at + 1}: ${sentence}`, position: at + 1 },
  });
}

/** A variable that is used both with and without a default needs a value. */
function variablesOf(parts: Part[]): TemplateVariable[] {
  const found = new Map<string, TemplateVariable>();
  function visit(part: Part): void {
    if (part.type === 'choice') part.alternatives.flat().forEach(visit);
    if (part.type !== 'variable') return;
    const known = found.get(part.key);
    const fallback = known && known.fallback === null ? null : part.fallback;
    found.set(part.key, { key: part.key, fallback });
  }
  parts.forEach(visit);
  return [...found.values()];
}

function variantsOf(parts: Part[]): number {
  let product = 1;
  for (const part of parts) {
    if (part.type !== 'choice') continue;
    const sum = part.alternatives.reduce((total, alternative) => total + variantsOf(alternative), 0);
    product = Math.min(product * sum, Number.MAX_SAFE_INTEGER);
  }
  return product;
}

function write(parts: Part[], values: Readonly<Record<string, string>>, random: () => number): string {
  let text = '';
  for (const part of parts) {
    if (part.type === 'text') text += part.text;
    else if (part.type === 'variable') text += hasValue(values, part.key) ? values[part.key]! : (part.fallback ?? '');
    else text += write(part.alternatives[Math.floor(random() * part.alternatives.length)]!, values, random);
  }
  return text;
}

function hasValue(values: Readonly<Record<string, string>>, key: string): boolean {
  return Object.hasOwn(values, key) && values[key]!.trim() !== '';
}

/** Returns numbers in [0, 1) that depend on the seed alone (mulberry32). */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
