import type { Kit } from './kit.ts';
import type { SeenInstance } from './seen.ts';

/** What cards know of the page they stand in. */
export interface CardPage {
  isChosen(instanceId: string): boolean;
  choose(instanceId: string): void;
  /** The number with its `+`, when the person has no name. */
  nameOf(phone: string): string;
  /** Runs an action of a button and shows what goes wrong. */
  act(work: () => Promise<unknown>): (event?: Event) => void;
}

/** How an instance looks in the list: what can be done with a linked one, or the code to scan. */
export type Card = (one: SeenInstance) => HTMLElement;

/** Makes what draws instances. Runs in the page. */
export function createCard({ make, call }: Kit, { isChosen, choose, nameOf, act }: CardPage): Card {
  function linked(id: string, phone: string): HTMLElement[] {
    const unlink = act(() => call('unlink', { instance_id: id }));
    const drop = act(() => call('drop', { instance_id: id, seconds: 10 }));
    return [
      make('div', { className: 'quiet' }, [...new Set([nameOf(phone), `+${phone}`])].join(' · ')),
      make(
        'div',
        { className: 'row' },
        make('button', { onclick: drop, title: 'Cut the connection for ten seconds' }, 'Drop 10 s'),
        make('button', { onclick: unlink, title: 'Remove the linked device on the phone' }, 'Unlink'),
      ),
    ];
  }

  function code(id: string, qr: string): HTMLElement {
    const src = `/sandbox/api/qr?instance_id=${encodeURIComponent(id)}&ref=${encodeURIComponent(qr.slice(0, 24))}`;
    return make('img', { src, alt: 'QR code' });
  }

  function scanForm({ instance_id: id, qr }: SeenInstance): HTMLElement {
    const number = make('input', {
      placeholder: 'Phone, e.g. 491701234567',
      required: true,
      inputMode: 'tel',
      ariaLabel: 'Phone',
    }) as HTMLInputElement;
    const name = make('input', { placeholder: 'Name (optional)', ariaLabel: 'Name' }) as HTMLInputElement;
    const scan = act(() => call('link', { instance_id: id, phone_number: number.value, name: name.value }));
    const button = make('button', { className: 'main' }, qr ? 'Scan' : 'Scan when it shows a code');
    return make('form', { onsubmit: scan }, number, name, button);
  }

  return (one) => {
    const { instance_id: id, phone, qr } = one;
    return make(
      'div',
      { className: `card ${isChosen(id) ? 'chosen' : ''}`, onclick: () => choose(id) },
      make(
        'div',
        { className: 'top' },
        make('b', {}, id),
        make('span', { className: `chip ${one.online ? 'on' : ''}` }, one.status),
      ),
      ...(phone ? linked(id, phone) : [qr ? code(id, qr) : null, scanForm(one)]),
    );
  };
}
