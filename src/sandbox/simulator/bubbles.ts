import type { Kit } from './kit.ts';
import type { SeenMessage } from './seen.ts';

/** What bubbles know of the talk they stand in. */
export interface Talk {
  /** The phone of the chosen instance; empty while it is not linked. */
  own(): string;
  /** A phone, or a group's id. */
  chat(): string;
  nameOf(phone: string): string;
  /** Runs an action of a button and shows what goes wrong. */
  act(work: () => Promise<unknown>): (event?: Event) => void;
}

/** How messages look. */
export interface Bubbles {
  bubble(message: SeenMessage): HTMLElement;
  /** Returns one line that stands for the message. */
  summary(message: SeenMessage): string;
}

/** Makes what draws messages. Runs in the page. */
export function createBubbles({ field, make, call, time, size }: Kit, talk: Talk): Bubbles {
  const TICKS = ['…', '✓', '✓✓', '✓✓'];

  function media({ media: file }: SeenMessage): HTMLElement | null {
    if (!file) return null;
    const { url, mime_type: mimeType } = file;
    if (/^image\/(png|jpeg|gif|webp)/.test(mimeType))
      return make('img', { src: url, alt: file.filename ?? 'picture', loading: 'lazy' });
    if (mimeType.startsWith('video/')) return make('video', { src: url, controls: true, preload: 'metadata' });
    if (mimeType.startsWith('audio/')) return make('audio', { src: url, controls: true, preload: 'metadata' });
    const label = make(
      'span',
      {},
      file.filename ?? 'file',
      make('br'),
      make('span', { className: 'quiet' }, `${mimeType} · ${size(file.size_bytes)}`),
    );
    return make('a', { className: 'file', href: url, download: file.filename ?? '' }, label);
  }

  /** What a message says, for types that are more than text. */
  function words({ type, text, caption, content }: SeenMessage): string {
    const special: Record<string, () => string> = {
      location: () => `Location ${String(content['loc'] ?? '')} ${String(content['lat'])}, ${String(content['lng'])}`,
      vcard: () => `Contact: ${String(content['vcardFormattedName'] ?? 'contact')}`,
      poll_creation: () => `Poll: ${String(content['pollName'] ?? 'poll')}`,
    };
    return special[type]?.() ?? text ?? caption ?? '';
  }

  const summary = (message: SeenMessage): string =>
    message.revoked ? 'Deleted' : words(message) || `[${message.type}]`;

  /** What people can do with a message: the one who wrote it changes or deletes it, the other side reacts. */
  function actions(message: SeenMessage): HTMLElement {
    const { id, from_phone: writer, revoked } = message;
    const own = talk.own();
    const target = { message_id: id, message_from: writer };
    const reactor = writer === own ? (message.group ? field('as').value : talk.chat()) : own;
    const edit = async (): Promise<void> => {
      const text = window.prompt('New text', message.text ?? message.caption ?? '');
      if (text) await call('edit', { ...target, text });
    };
    const react = (): Promise<unknown> =>
      call('react', { ...target, by: reactor, emoji: message.reactions[reactor] ? '' : '👍' });
    const buttons = revoked
      ? []
      : [
          make(
            'button',
            { onclick: talk.act(react), title: `React as ${talk.nameOf(reactor)}, or take it back` },
            '👍',
          ),
          make('button', { onclick: talk.act(edit), title: `Edit as ${talk.nameOf(writer)}` }, '✎'),
          make(
            'button',
            { onclick: talk.act(() => call('revoke', target)), title: `Delete for everyone as ${talk.nameOf(writer)}` },
            '✕',
          ),
        ];
    return make('span', { className: 'acts' }, ...buttons);
  }

  function bubble(message: SeenMessage): HTMLElement {
    const isOwn = message.from_phone === talk.own();
    const quoted = message.content['quotedMsg'] as { body?: string; caption?: string } | undefined;
    const ticks = isOwn
      ? make('span', { className: `ticks ${message.acks === 3 ? 'read' : ''}` }, TICKS[message.acks] ?? '')
      : null;
    const lid = message.from.endsWith('@lid') ? make('span', {}, 'LID') : null;
    const repeats =
      message.repeats > 0 ? make('span', { title: 'The same id came again' }, `×${message.repeats + 1}`) : null;
    return make(
      'div',
      { className: `bubble ${isOwn ? 'own' : ''} ${message.revoked ? 'gone' : ''}`, title: message.id },
      message.group && !isOwn ? make('div', { className: 'author' }, talk.nameOf(message.from_phone)) : null,
      quoted ? make('div', { className: 'quote' }, quoted.body ?? quoted.caption ?? '…') : null,
      media(message),
      make(
        'div',
        { className: 'text' },
        message.revoked ? 'Deleted' : words(message) || (message.media ? '' : `[${message.type}]`),
      ),
      make('div', { className: 'reactions' }, Object.values(message.reactions).join(' ')),
      make(
        'div',
        { className: 'meta' },
        actions(message),
        repeats,
        lid,
        message.edited ? make('span', {}, 'edited') : null,
        make('span', {}, time(message.at)),
        ticks,
      ),
    );
  }

  return { bubble, summary };
}
