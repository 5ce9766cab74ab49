/**
 * Frappe 13–15 hand notification texts to the SMS gateway as HTML (Markdown notifications always are). This turns what looks like
 * HTML into WhatsApp's own markup; any other text is left as it is (frappe-wire 2.3).
 */
const tag = /<(\/?)([a-z][a-z0-9]*)((?:\s[^<>]*|\/)?)>/gi;
const known = new Set(
  'a b blockquote body br center code del div em font h1 h2 h3 h4 h5 h6 head hr html i img label li ol p pre s script section small span strike strong style sub sup table tbody td tfoot th thead tr u ul'.split(
    ' ',
  ),
);
const blockTag = '(?:blockquote|body|br|div|h[1-6]|hr|html|li|ol|p|pre|section|table|tbody|td|tfoot|th|thead|tr|ul)';
const afterBlock = new RegExp(`(</?${blockTag}\\b[^<>]*>)\\s+(?=<)`, 'gi');
const beforeBlock = new RegExp(`\\s+(?=</?${blockTag}\\b)`, 'gi');
const maxDepth = 50;
const entity = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi;

const marks: Record<string, string> = {
  b: '*',
  strong: '*',
  h1: '*',
  h2: '*',
  h3: '*',
  h4: '*',
  h5: '*',
  h6: '*',
  i: '_',
  em: '_',
  s: '~',
  del: '~',
  strike: '~',
  code: '`',
  pre: '```',
};
const blocks: Record<string, string> = {
  p: '\n\n',
  div: '\n',
  ul: '\n',
  ol: '\n',
  table: '\n',
  tr: '\n',
  blockquote: '\n',
  pre: '\n',
  h1: '\n\n',
  h2: '\n\n',
  h3: '\n\n',
  h4: '\n\n',
  h5: '\n\n',
  h6: '\n\n',
};
const entities: Record<string, string> = {
  nbsp: ' ',
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  copy: '©',
  reg: '®',
  trade: '™',
  hellip: '…',
  ndash: '–',
  mdash: '—',
  lsquo: '‘',
  rsquo: '’',
  ldquo: '“',
  rdquo: '”',
  bull: '•',
  middot: '·',
  euro: '€',
  pound: '£',
  yen: '¥',
  cent: '¢',
  deg: '°',
  times: '×',
};

/** An element whose content is being gathered. */
interface Open {
  name: string;
  text: string;
  href?: string | undefined;
  /** Lists: the number of the next item, 0 in unordered ones. */
  next: number;
}

/** Returns the text in WhatsApp markup when it looks like HTML, else the text itself. */
export function toWhatsAppText(text: string): string {
  const looksLikeHtml = [...text.matchAll(tag)].some((match) => known.has((match[2] ?? '').toLowerCase()));
  if (!looksLikeHtml) return unescapeEntities(text);
  return unescapeEntities(tidy(convert(text)));
}

function convert(html: string): string {
  const root: Open = { name: '', text: '', next: 0 };
  const stack: Open[] = [root];
  const top = () => stack.at(-1) ?? root;
  let end = 0;

  function close(name: string): void {
    if (!stack.some((element, index) => index > 0 && element.name === name)) return;
    while (stack.length > 1) {
      const element = stack.pop() ?? root;
      top().text += rendered(element);
      if (element.name === name) return;
    }
  }

  const source = withoutLayout(html);
  for (const match of source.matchAll(tag)) {
    const name = (match[2] ?? '').toLowerCase();
    if (!known.has(name)) continue;
    top().text += source.slice(end, match.index);
    end = match.index + match[0].length;
    if (name === 'br' || name === 'hr') top().text += '\n';
    else if (match[1]) close(name);
    else if (name === 'li') {
      close('li');
      const list = stack.findLast((element) => element.name === 'ul' || element.name === 'ol');
      const bullet = list?.name === 'ol' ? `${list.next++}. ` : '• ';
      top().text += `\n${bullet}`;
      stack.push({ name, text: '', next: 0 });
    } else if (name !== 'img' && stack.length < maxDepth)
      stack.push({ name, text: '', href: hrefOf(match[3] ?? ''), next: name === 'ol' ? 1 : 0 });
  }
  top().text += source.slice(end);
  while (stack.length > 1) close(top().name);
  return root.text;
}

/** Line breaks between block tags are the author's layout of the HTML, not of the message; those inside a paragraph are kept. */
function withoutLayout(html: string): string {
  return withoutComments(html)
    .replace(/\s{2,}/g, (space) => (space.includes('\n') ? '\n' : ' '))
    .replace(/(<br\b[^<>]*>)\s/gi, '$1')
    .replace(afterBlock, '$1')
    .replace(beforeBlock, '');
}

/** Goes over the text once, however many comments are opened; what is never closed is text. */
function withoutComments(html: string): string {
  const [before = '', ...pieces] = html.split('<!--');
  let text = before;
  let unclosed = '';
  for (const piece of pieces) {
    const end = piece.indexOf('-->');
    if (end === -1) unclosed += `<!--${piece}`;
    else {
      text += piece.slice(end + 3);
      unclosed = '';
    }
  }
  return text + unclosed;
}

function rendered(element: Open): string {
  const { name, text } = element;
  if (name === 'script' || name === 'style' || name === 'head') return '';
  if (name === 'a') return link(text, element.href);
  if (name === 'td' || name === 'th') return `${text} `;
  const mark = marks[name];
  const around = blocks[name] ?? '';
  return around + (mark === undefined ? text : marked(text, mark)) + around;
}

/** WhatsApp takes a mark only where it touches the word, and only within one line. */
function marked(text: string, mark: string): string {
  if (mark === '```') return text.trim() ? `\`\`\`${text.trim()}\`\`\`` : '';
  return text
    .split('\n')
    .map((line) => {
      const inner = line.trim();
      if (inner === '' || (inner.startsWith(mark) && inner.endsWith(mark) && inner.length > 1)) return line;
      return line.slice(0, line.indexOf(inner)) + mark + inner + mark + line.slice(line.indexOf(inner) + inner.length);
    })
    .join('\n');
}

function link(text: string, href: string | undefined): string {
  const label = text.trim();
  const address = href?.trim() ?? '';
  if (!/^(https?:|mailto:|tel:)/i.test(address)) return text;
  const bare = address.replace(/^(mailto:|tel:)/i, '');
  return label === '' || label === bare || label === address ? bare : `${label} (${bare})`;
}

function hrefOf(attributes: string): string | undefined {
  const match = /\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/i.exec(attributes);
  return match?.[1] ?? match?.[2] ?? match?.[3];
}

function tidy(text: string): string {
  return text
    .replace(/[ \t]+/g, ' ')
    .replace(/ *\n */g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

function unescapeEntities(text: string): string {
  return text.replace(entity, (whole, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined)
      return Object.hasOwn(entities, name.toLowerCase()) ? (entities[name.toLowerCase()] ?? whole) : whole;
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
    return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff) ? String.fromCodePoint(code) : whole;
  });
}
