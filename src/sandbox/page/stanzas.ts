import type { SandboxPage } from './page.ts';

/**
 * Stanzas as the real page gets them off the wire: bytes that `WAWap.decodeStanza` turns into nodes, with addresses as objects. Messages
 * and receipts of the stand-in come on a way of their own; they pass through here too, since who looks on here sees everything.
 */
export function defineStanzas(page: SandboxPage): void {
  interface PlainNode {
    tag: string;
    attrs?: Record<string, string>;
    content?: PlainNode[];
  }

  class WapJid {
    readonly #text: string;
    constructor(text: string) {
      this.#text = text;
    }
    toString(): string {
      return this.#text;
    }
  }

  class WapNode {
    tag: string;
    attrs: Record<string, unknown>;
    content: WapNode[] | null;
    constructor({ tag, attrs = {}, content }: PlainNode) {
      this.tag = tag;
      this.attrs = {};
      for (const name of Object.keys(attrs)) {
        const value = attrs[name] as string;
        this.attrs[name] = value.includes('@') ? new WapJid(value.replace('@c.us', '@s.whatsapp.net')) : value;
      }
      this.content = content ? content.map((child) => new WapNode(child)) : null;
    }
  }

  /** The stand-in's bytes are JSON; what is decoded is shaped as the real one is. */
  async function decodeStanza(
    bytes: Uint8Array,
    _inflate: (bytes: Uint8Array) => Promise<Uint8Array>,
  ): Promise<WapNode> {
    return new WapNode(JSON.parse(new TextDecoder().decode(bytes)) as PlainNode);
  }
  page.define('WAWap', { decodeStanza });

  const inflate = async (bytes: Uint8Array): Promise<Uint8Array> => bytes;
  const encoder = new TextEncoder();
  async function parseAndHandleStanza(node: unknown): Promise<void> {
    const bytes = encoder.encode(JSON.stringify(node));
    const wap = page.config.drift.includes('hidden-stanzas')
      ? { decodeStanza }
      : page.require<{ decodeStanza: typeof decodeStanza }>('WAWap');
    const { tag, attrs } = await wap.decodeStanza(bytes, inflate);
    await page.wap[tag]?.(attrs);
  }

  page.network.handlers['wap'] = ({ node }) => void parseAndHandleStanza(node).catch((error) => console.error(error));
  const take = page.network.handlers['stanzas'];
  page.network.handlers['stanzas'] = (frame) => {
    for (const { kind } of frame['stanzas'] as { kind: string }[])
      void parseAndHandleStanza({ tag: kind === 'receipt' ? 'receipt' : 'message', attrs: { id: kind } });
    return take?.(frame as never);
  };
}
