import type { SandboxPage, Wid } from './page.ts';

/** Addresses: `WAWebWid`, its factory and conversions. Own fields and texts as the real class has them. */
export function defineWids(page: SandboxPage): void {
  const SERVERS = new Set(['c.us', 'lid', 'g.us', 'broadcast', 'newsletter', 'call', 'hosted', 'bot']);
  const PATTERN = /^([\w.-]+?)(?::(\d+))?@([\w.]+)$/;

  class WidImpl {
    server: string;
    user: string;
    device?: number;
    _serialized: string;

    constructor(text: string, options?: { intentionallyUsePrivateConstructor?: boolean }) {
      if (options?.intentionallyUsePrivateConstructor !== true) {
        throw new Error('You should use WidFactory.createWid() instead of the Wid constructor.');
      }
      const [, user, device, server] = PATTERN.exec(text) ?? [];
      const kept = server === 's.whatsapp.net' ? 'c.us' : server;
      if (user === undefined || kept === undefined || !SERVERS.has(kept)) throw new Error('wid error: invalid wid');
      this.server = kept;
      this.user = user;
      const number = Number(device ?? 0);
      if (number > 0) this.device = number;
      this._serialized = `${user}${number > 0 ? `:${number}` : ''}@${kept}`;
    }

    /** The real one has a method of this name for its log; message keys have their text under it. */
    $1(): string {
      return this.user.slice(-4);
    }
    toString(options?: { legacy?: boolean }): string {
      return options?.legacy === true && this.server === 'c.us'
        ? this._serialized.replace('@c.us', '@s.whatsapp.net')
        : this._serialized;
    }
    toJid(): string {
      return this.toString({ legacy: true });
    }
    toJSON(): string {
      return this._serialized;
    }
    toLogString(): string {
      return `${this.$1()}@${this.server}`;
    }
    equals(other: unknown): boolean {
      return other instanceof WidImpl && other._serialized === this._serialized;
    }
    isSameAccount(other: WidImpl): boolean {
      return other.user === this.user && other.server === this.server;
    }
    isUser(): boolean {
      return this.server === 'c.us' || this.server === 'lid';
    }
    isRegularUser(): boolean {
      return this.isUser() && !this.isPSA();
    }
    isUserNotPSA(): boolean {
      return this.isRegularUser();
    }
    isLid(): boolean {
      return this.server === 'lid';
    }
    isGroup(): boolean {
      return this.server === 'g.us';
    }
    isBroadcast(): boolean {
      return this.server === 'broadcast';
    }
    isStatus(): boolean {
      return this._serialized === 'status@broadcast';
    }
    isStatusV3(): boolean {
      return this.isStatus();
    }
    isNewsletter(): boolean {
      return this.server === 'newsletter';
    }
    isServer(): boolean {
      return this.server === 'c.us' && this.user === 'server';
    }
    isPSA(): boolean {
      return this.server === 'c.us' && this.user === '0';
    }
    isBot(): boolean {
      return this.server === 'bot';
    }
    isHosted(): boolean {
      return this.server === 'hosted';
    }
    isCompanion(): boolean {
      return this.device !== undefined;
    }
    getDeviceId(): number {
      return this.device ?? 0;
    }
    static isWid(value: unknown): boolean {
      return value instanceof WidImpl || (typeof value === 'string' && PATTERN.test(value));
    }
    static equals(one: unknown, other: unknown): boolean {
      return one instanceof WidImpl ? one.equals(other) : one === other;
    }
    static of(server: string[], value: unknown): boolean {
      const text = value instanceof WidImpl ? value._serialized : String(value);
      return server.includes(text.split('@')[1] ?? '');
    }
    static isUser(value: unknown): boolean {
      return WidImpl.of(['c.us', 'lid'], value);
    }
    static isLid(value: unknown): boolean {
      return WidImpl.of(['lid'], value);
    }
    static isGroup(value: unknown): boolean {
      return WidImpl.of(['g.us'], value);
    }
    static isBroadcast(value: unknown): boolean {
      return WidImpl.of(['broadcast'], value);
    }
    static isNewsletter(value: unknown): boolean {
      return WidImpl.of(['newsletter'], value);
    }
  }

  const cache = new Map<string, WidImpl>();

  function createWid(text: unknown): WidImpl {
    if (text instanceof WidImpl) return text;
    const name = String(text);
    const known = cache.get(name) ?? new WidImpl(name, { intentionallyUsePrivateConstructor: true });
    cache.set(name, known);
    return known;
  }

  const createUserWid = (user: string, server = 'c.us'): WidImpl =>
    createWid(user.includes('@') ? user : `${user}@${server}`);

  function asUserWidOrThrow(wid: WidImpl): WidImpl {
    if (!wid.isUser()) throw new Error(`asUserWidOrThrow: ${wid.toLogString()} is not a user`);
    return wid.device === undefined ? wid : createWid(`${wid.user}@${wid.server}`);
  }

  page.createWid = createWid as unknown as (text: unknown) => Wid;
  page.isWid = (value): value is Wid => value instanceof WidImpl;
  page.define('WAWebWid', WidImpl);
  page.define('WAWebWidFactory', {
    createWid,
    createUserWid,
    createUserWidOrThrow: createUserWid,
    createWidFromWidLike: (like: unknown) =>
      createWid(typeof like === 'string' || like instanceof WidImpl ? like : (like as Wid)._serialized),
    isWidlike: (like: unknown) => WidImpl.isWid(like),
    asUserWidOrThrow,
    toUserWid: asUserWidOrThrow,
    toUserWidOrThrow: asUserWidOrThrow,
  });
  page.define('WAWebWidToJid', {
    widToUserJid: (wid: WidImpl) => wid.toJid(),
    widToGroupJid: (wid: WidImpl) => wid.toJid(),
    widToChatJid: (wid: WidImpl) => wid.toJid(),
  });
  page.define('WAWebJidToWid', { userJidToUserWid: createWid, jidToWid: createWid });
}
