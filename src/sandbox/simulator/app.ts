import type { Bubbles, Talk } from './bubbles.ts';
import type { Card, CardPage } from './cards.ts';
import type { Kit } from './kit.ts';
import type { SeenInstance, SeenMessage, SeenState } from './seen.ts';

/**
 * Runs the simulator in the browser. Like the other parts of the page it is self-contained, because its source text is put there.
 * What people and gateways wrote is only ever set as text, never as HTML.
 */
export function runSimulator(
  kit: Kit,
  createBubbles: (kit: Kit, talk: Talk) => Bubbles,
  createCard: (kit: Kit, page: CardPage) => Card,
): void {
  const { at, field, make, call, complain, time } = kit;
  const POLL_MS = 1000;
  const COLOURS = ['#00a884', '#0b7bc1', '#c2185b', '#7b5ea7', '#d17a00', '#4e7d3a'];
  let state: SeenState = { instances: [], people: [], groups: [], acks: 3 };
  let messages = new Map<string, SeenMessage>();
  let chosen = location.hash.slice(1);
  let chat = '';
  let lastChange = 0;
  let drawn: Record<string, string> = {};
  /** Calls that ring: chat → id. */
  const calls = new Map<string, string>();
  const added = new Set<string>();

  /** Runs an action of a button and shows what goes wrong. */
  const act =
    (work: () => Promise<unknown>) =>
    (event?: Event): void => {
      event?.preventDefault();
      event?.stopPropagation();
      work().then(refresh, complain);
    };

  const current = (): SeenInstance | undefined => state.instances.find((one) => one.instance_id === chosen);
  const nameOf = (phone: string): string => state.people.find((person) => person.phone === phone)?.name ?? `+${phone}`;
  const titleOf = (key: string): string => state.groups.find((group) => group.id === key)?.subject ?? nameOf(key);
  const keyOf = (message: SeenMessage): string =>
    message.group ?? (message.from_phone === current()?.phone ? (message.to_phone ?? '') : message.from_phone);
  const own = (): string => current()?.phone ?? '';
  const card = createCard(kit, { isChosen: (id) => id === chosen, choose, nameOf, act });
  const { bubble, summary } = createBubbles(kit, { own, chat: () => chat, nameOf, act });

  function face(key: string): HTMLElement {
    const colour = COLOURS[[...key].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % COLOURS.length] ?? '';
    return make(
      'span',
      { className: 'face', style: `background:${colour}` },
      titleOf(key).replace('+', '').slice(0, 2).toUpperCase(),
    );
  }

  /** Draws a part again only when what it shows has changed, so that typing and scrolling are left alone. */
  function draw(id: string, shown: unknown, children: () => (Node | string | null)[]): boolean {
    const text = JSON.stringify(shown);
    if (drawn[id] === text) return false;
    drawn[id] = text;
    at(id).replaceChildren(...children().filter((child) => child !== null));
    return true;
  }

  function show(): void {
    draw('instances', [state.instances, state.people, chosen], () =>
      state.instances.length > 0
        ? state.instances.map(card)
        : [make('p', { className: 'empty' }, 'No instance yet. Create one with the API.')],
    );
    const mine = [...messages.values()].toSorted((one, other) => one.at - other.at);
    const last = new Map<string, SeenMessage>();
    for (const message of mine) last.set(keyOf(message), message);
    const keys = [...new Set([...last.keys(), ...added])].toSorted(
      (one, other) => (last.get(other)?.at ?? Infinity) - (last.get(one)?.at ?? Infinity),
    );
    const rows = keys.map((key) => [key, last.get(key)?.id, last.get(key)?.changed_at, titleOf(key)]);
    draw('chats', [rows, chat, own()], () =>
      keys.length > 0
        ? keys.map((key) => {
            const message = last.get(key);
            const preview = message ? summary(message) : 'New person';
            const who = make(
              'span',
              { className: 'who' },
              make('b', {}, titleOf(key)),
              make('span', { className: 'quiet' }, preview),
            );
            const row = { className: `chat ${key === chat ? 'chosen' : ''}`, onclick: () => open(key) };
            return make(
              'button',
              row,
              face(key),
              who,
              message ? make('span', { className: 'quiet' }, time(message.at)) : null,
            );
          })
        : [make('p', { className: 'empty' }, own() ? 'No messages yet.' : 'Link an instance to see its chats.')],
    );
    const shown = mine.filter((message) => keyOf(message) === chat);
    const stream = at('stream');
    const wasAtEnd = stream.scrollHeight - stream.scrollTop - stream.clientHeight < 80;
    const isNew = draw('stream', [chat, shown.map(({ media: _media, ...rest }) => rest), state.people], () =>
      shown.map(bubble),
    );
    if (isNew && wasAtEnd) stream.scrollTop = stream.scrollHeight;
    const address = chat.includes('@') ? chat : `+${chat}`;
    draw('head', [chat, titleOf(chat), calls.get(chat)], () =>
      chat
        ? [
            face(chat),
            make(
              'div',
              {},
              make('b', {}, titleOf(chat)),
              titleOf(chat) === address ? null : make('div', { className: 'quiet' }, address),
            ),
            chat.includes('@') ? null : liveActions(),
          ]
        : ['Choose a chat, or add a person.'],
    );
    const group = state.groups.find(({ id }) => id === chat);
    field('as').hidden = !group;
    if (document.activeElement !== at('acks')) field('acks').value = String(state.acks);
    draw('as', group?.members, () =>
      (group?.members ?? [])
        .filter((phone) => phone !== current()?.phone)
        .map((phone) => make('option', { value: phone }, nameOf(phone))),
    );
    field('text').placeholder = chat ? `Write as ${group ? 'this member' : titleOf(chat)} …` : '';
    for (const id of ['text', 'file', 'lid', 'own', 'send']) field(id).disabled = !chat || !current()?.phone;
  }

  /** What a person does beside writing. */
  function liveActions(): HTMLElement {
    const signal = (fields: object): Promise<{ call_id?: string }> =>
      call('signal', { instance_id: chosen, from: chat, ...fields });
    const ringing = calls.get(chat);
    const ring = async (): Promise<void> => {
      const { call_id } = await signal({ type: 'call' });
      if (call_id) calls.set(chat, call_id);
    };
    const hangUp = async (): Promise<void> => {
      await signal({ type: 'call_end', call_id: ringing });
      calls.delete(chat);
    };
    return make(
      'span',
      { className: 'acts' },
      make('button', { onclick: act(() => signal({ type: 'typing' })) }, 'Type'),
      make('button', { onclick: act(ringing ? hangUp : ring) }, ringing ? 'Hang up' : 'Call'),
    );
  }

  function choose(id: string): void {
    if (id === chosen) return;
    chosen = id;
    location.hash = id;
    chat = '';
    messages = new Map();
    lastChange = 0;
    added.clear();
    void refresh();
  }

  function open(key: string): void {
    chat = key;
    show();
    at('stream').scrollTop = at('stream').scrollHeight;
    field('text').focus();
  }

  async function refresh(): Promise<void> {
    state = await call<SeenState>('state');
    if (!current()) chosen = state.instances[0]?.instance_id ?? '';
    const asked = chosen;
    if (current()?.phone) {
      const query = `instance_id=${encodeURIComponent(asked)}&since=${lastChange}`;
      const { messages: changed } = await call<{ messages: SeenMessage[] }>(`messages?${query}`);
      if (asked !== chosen) return;
      for (const message of changed) {
        messages.set(`${message.from_phone}/${message.id}`, message);
        lastChange = Math.max(lastChange, message.changed_at);
      }
    }
    show();
  }

  async function readFile(file: File): Promise<{ data: string; mime_type: string; filename: string; voice: boolean }> {
    const bytes = new Uint8Array(await file.arrayBuffer());
    let binary = '';
    for (let start = 0; start < bytes.length; start += 0x8000)
      binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
    const mimeType = file.type || 'application/octet-stream';
    return { data: btoa(binary), mime_type: mimeType, filename: file.name, voice: mimeType.startsWith('audio/ogg') };
  }

  async function write(): Promise<void> {
    const text = field('text').value;
    const file = field('file').files?.[0];
    if (text.trim() === '' && !file) return;
    const isGroup = chat.endsWith('@g.us');
    const attached = file ? { media: { ...(await readFile(file)), caption: text } } : {};
    if (field('own').checked) await call('write', { instance_id: chosen, to: chat, text, ...attached });
    else
      await call('receive', {
        instance_id: chosen,
        from: isGroup ? field('as').value : chat,
        text,
        lid: field('lid').checked,
        ...(isGroup ? { group: chat } : {}),
        ...attached,
      });
    field('text').value = '';
    field('file').value = '';
    at('file-name').textContent = 'Attach';
  }

  async function addPerson(): Promise<void> {
    const phone = field('person-phone').value.replace(/\D/g, '');
    const name = field('person-name').value;
    if (!current()?.phone) throw new Error('Link an instance first');
    if (phone.length < 5) throw new Error('That is not a phone number');
    added.add(phone);
    if (name) await call('receive', { instance_id: chosen, from: phone, name, text: 'Hello' });
    open(phone);
    field('person-phone').value = '';
    field('person-name').value = '';
  }

  at('person').addEventListener('submit', act(addPerson));
  at('write').addEventListener('submit', act(write));
  at('text').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey) act(write)(event);
  });
  at('file').addEventListener(
    'change',
    () => (at('file-name').textContent = field('file').files?.[0]?.name ?? 'Attach'),
  );
  at('acks').addEventListener(
    'change',
    act(() => call('acks', { acks: Number(field('acks').value) })),
  );
  const poll = (): void => {
    const again = (): void => void setTimeout(poll, POLL_MS);
    if (document.hidden) again();
    else refresh().catch(complain).finally(again);
  };
  drawn = {};
  poll();
}
