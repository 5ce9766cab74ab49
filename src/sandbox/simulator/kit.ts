/** What every part of the simulator's page draws and asks with. */
export interface Kit {
  at(id: string): HTMLElement;
  field(id: string): HTMLInputElement;
  /** Makes an element: properties, then children. Text becomes text nodes. */
  make(tag: string, properties?: Record<string, unknown>, ...children: (Node | string | null)[]): HTMLElement;
  /** Asks the sandbox: GET, or POST with fields. @throws Error in the words of the answer */
  call<T>(path: string, fields?: object): Promise<T>;
  /** Shows what went wrong for a while. */
  complain(error: unknown): void;
  time(ms: number): string;
  size(bytes: number): string;
}

/** Makes the kit. Runs in the page. */
export function createKit(): Kit {
  const at = (id: string): HTMLElement => document.getElementById(id) as HTMLElement;
  const field = (id: string): HTMLInputElement => at(id) as HTMLInputElement;

  function make(
    tag: string,
    properties: Record<string, unknown> = {},
    ...children: (Node | string | null)[]
  ): HTMLElement {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  async function call<T>(path: string, fields?: object): Promise<T> {
    const init = fields && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(fields),
    };
    const response = await fetch(`/sandbox/api/${path}`, init);
    const answer = (await response.json()) as T & { error?: string };
    if (!response.ok) throw new Error(answer.error ?? `The gateway answered ${response.status}`);
    return answer;
  }

  let noteTimer = 0;
  function complain(error: unknown): void {
    at('note').textContent = error instanceof Error ? error.message : String(error);
    at('note').hidden = false;
    clearTimeout(noteTimer);
    noteTimer = window.setTimeout(() => (at('note').hidden = true), 6000);
  }

  const time = (ms: number): string => new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  const size = (bytes: number): string =>
    bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

  return { at, field, make, call, complain, time, size };
}
