import type { MsgKey, SandboxPage, Wid } from './page.ts';

/** Message keys (`WAWebMsgKey`) and the plain form of message fields. */
export function defineKeys(page: SandboxPage): void {
  const hex = (bytes: Uint8Array): string =>
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
      .join('')
      .toUpperCase();
  const isMe = (wid: Wid): boolean =>
    page.require<{ isMePrimary(wid: Wid): boolean }>('WAWebUserPrefsMeUser').isMePrimary(wid);

  /** The field with the whole key as one text. */
  const SERIALIZED = page.config.drift.includes('msg-key-renamed') ? '$1' : '_serialized';

  class MsgKeyImpl {
    fromMe!: boolean;
    remote!: Wid;
    id!: string;
    self?: string;
    participant?: Wid;
    /** Takes `{from, to, id, participant?, selfDir?}` or `{fromMe, remote, id, participant?}`, as the real one does. */
    constructor(parts: Record<string, unknown> | undefined) {
      if (!parts) throw new Error('MsgKey error: obj is null/undefined');
      if (!page.mePn()) throw new Error('MsgKey error: me is undefined.');
      const { from, to, fromMe, remote, participant, selfDir } = parts;
      const inner = parts['id'];
      const id = inner instanceof MsgKeyImpl ? inner.id : inner;
      const byEnds = from !== undefined && from !== null && to !== undefined && to !== null && Boolean(id);
      const byRemote = fromMe !== undefined && remote !== undefined && remote !== null && Boolean(id);
      if (byEnds === byRemote) {
        throw new Error(
          byEnds ? 'MsgKey error: unclear which constructor to use' : "MsgKey error: don't have a matching constructor",
        );
      }
      const ends = byEnds ? [from, to] : [remote];
      if (![...ends, ...(participant ? [participant] : [])].every(page.isWid)) {
        throw new Error('MsgKey error: something is not a wid');
      }
      let self: string | undefined;
      if (byEnds) {
        const [sender, receiver] = [from as Wid, to as Wid];
        if (sender.equals(receiver)) self = String(selfDir);
        this.fromMe = self === undefined ? isMe(sender) : self === 'out';
        this.remote = this.fromMe ? receiver : sender;
      } else {
        this.fromMe = fromMe as boolean;
        this.remote = remote as Wid;
        if (isMe(this.remote)) self = this.fromMe ? 'out' : 'in';
      }
      this.id = String(id);
      if (self !== undefined) this.self = self;
      if (participant) this.participant = participant as Wid;
      (this as unknown as Record<string, unknown>)[SERIALIZED] = [
        this.fromMe,
        this.remote,
        this.id,
        this.self,
        this.participant,
      ]
        .filter((part) => part !== undefined)
        .join('_');
    }

    toString(): string {
      return String((this as unknown as Record<string, unknown>)[SERIALIZED]);
    }
    clone(): MsgKeyImpl {
      return MsgKeyImpl.from(this.toString());
    }
    equals(other: unknown): boolean {
      return other instanceof MsgKeyImpl && other.toString() === this.toString();
    }

    static from(like: unknown): MsgKeyImpl {
      if (like instanceof MsgKeyImpl) return like;
      const parts = typeof like === 'string' ? MsgKeyImpl.parse(like) : (like as Record<string, unknown>);
      const { fromMe, remote, id, participant } = parts;
      return new MsgKeyImpl({
        fromMe,
        remote: page.createWid(remote),
        id,
        ...(participant ? { participant: page.createWid(participant) } : {}),
      });
    }

    static fromString(text: string | undefined): MsgKeyImpl {
      if (text === undefined || text === null) throw new Error('MsgKey.fromString error: str is null or not a string');
      return MsgKeyImpl.from(text);
    }

    static parse(text: string): Record<string, unknown> {
      const [fromMe, remote, id, ...rest] = text.split('_');
      if (id === undefined || remote === undefined) throw new Error('MsgKey error: invalid key');
      return { fromMe: fromMe === 'true', remote, id, participant: rest.find((part) => part.includes('@')) };
    }

    static async newId(): Promise<string> {
      const seed = new TextEncoder().encode(`${Date.now()} ${String(page.mePn())} ${crypto.randomUUID()}`);
      return `3EB0${hex(new Uint8Array(await crypto.subtle.digest('SHA-256', seed), 0, 9))}`;
    }

    static newId_DEPRECATED(): string {
      return `3EB0${hex(crypto.getRandomValues(new Uint8Array(8)))}`;
    }
  }

  page.newMsgKey = (parts) => new MsgKeyImpl(parts) as unknown as MsgKey;
  page.keyFromString = (text) => MsgKeyImpl.fromString(text) as unknown as MsgKey;
  page.isMsgKey = (value): value is MsgKey => value instanceof MsgKeyImpl;
  page.define('WAWebMsgKey', MsgKeyImpl);
  page.define('WAWebMsgKeyNewId', { getMsgKeyNewSHA256Id: () => MsgKeyImpl.newId() });

  /** Marks of values that JSON has no form for. */
  const WID = '$wid';
  const KEY = '$key';
  const BYTES = '$bytes';

  function pack(value: unknown): unknown {
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return value;
    if (typeof value !== 'object') return undefined;
    if (page.isWid(value)) return { [WID]: String(value) };
    if (page.isMsgKey(value)) return { [KEY]: String(value) };
    if (value instanceof Uint8Array) return { [BYTES]: btoa(String.fromCharCode(...value)) };
    if (Array.isArray(value)) return value.map(pack);
    return Object.getPrototypeOf(value) === Object.prototype
      ? page.encode(value as Record<string, unknown>)
      : undefined;
  }

  function unpack(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map(unpack);
    const marked = value as Record<string, string>;
    if (marked[WID] !== undefined) return page.createWid(marked[WID]);
    if (marked[KEY] !== undefined) return page.keyFromString(marked[KEY]);
    if (marked[BYTES] !== undefined) return Uint8Array.from(atob(marked[BYTES]), (letter) => letter.charCodeAt(0));
    return page.decode(marked);
  }

  const each = (values: Record<string, unknown>, change: (value: unknown) => unknown): Record<string, unknown> => {
    const changed: Record<string, unknown> = {};
    for (const name of Object.keys(values)) {
      const value = change(values[name]);
      if (value !== undefined) changed[name] = value;
    }
    return changed;
  };
  page.encode = (values) => each(values, pack);
  page.decode = (values) => each(values, unpack);
}
