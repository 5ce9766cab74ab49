import type { Drift } from '../drift.ts';

/**
 * What the parts of the stand-in page share. Types only: each part is one function whose source text is put into the page,
 * so it may use this object, its own locals and the browser, and nothing else.
 */

/** What the gateway's side of the sandbox tells the page when it is built. */
export interface PageConfig {
  version: string;
  networkUrl: string;
  qrRotationMs: number;
  syncDelayMs: number;
  /** After so long without a word from the network the page asks for one. */
  pingAfterMs: number;
  /** A line on which nothing comes for so long after that is given up. */
  deadAfterMs: number;
  drift: Drift[];
}

export type Listener = (...args: never[]) => unknown;

/** Something with events, as WhatsApp Web's models have them: `on('change:ack change:type', fn)`. */
export interface Emitter {
  on(names: string, listener: Listener): this;
  once(names: string, listener: Listener): this;
  off(names?: string, listener?: Listener): this;
  trigger(name: string, ...args: unknown[]): this;
}

/** A record with events: `set` fires `change:<name>` (model, value, previous) for each difference, then `change`. */
export interface Model extends Emitter {
  set(values: Record<string, unknown>): this;
  serialize(): Record<string, unknown>;
  toJSON(): Record<string, unknown>;
  /** Keeps a value on the model without making it part of `serialize()`. */
  hide(values: Record<string, unknown>): this;
}

export interface Wid {
  user: string;
  server: string;
  device?: number;
  _serialized: string;
  isLid(): boolean;
  isUser(): boolean;
  isGroup(): boolean;
  isRegularUser(): boolean;
  equals(other: unknown): boolean;
  toString(options?: { legacy?: boolean }): string;
}

export interface MsgKey {
  fromMe: boolean;
  remote: Wid;
  id: string;
  participant?: Wid;
  toString(): string;
}

export interface MsgModel extends Model {
  id: MsgKey;
  type: string;
  ack: number;
  t: number;
  from: Wid;
  to: Wid;
  /** Raises the ack; -1 is an error. */
  updateAck(ack: number): void;
  [field: string]: unknown;
}

export interface ChatModel extends Model {
  id: Wid;
  t: number;
  unreadCount: number;
  msgs: Collection<MsgModel>;
  [field: string]: unknown;
}

export interface ContactModel extends Model {
  id: Wid;
  [field: string]: unknown;
}

export interface Collection<T = Model> extends Emitter {
  readonly length: number;
  get(id: unknown): T | undefined;
  add(models: T | T[]): T[];
  /** The same for what came before all others. */
  prepend(models: T[]): T[];
  remove(model: T): void;
  /** Gives a model of the collection another key, silently. */
  replaceId(from: unknown, to: unknown): void;
  getModelsArray(): T[];
}

/** The profile's database. */
export interface Database {
  open(): Promise<void>;
  get<T>(store: string, key: string): Promise<T | undefined>;
  /** Reads several records in one go; missing ones are absent from the map. */
  many<T>(store: string, keys: string[]): Promise<Map<string, T>>;
  all<T>(store: string): Promise<T[]>;
  /** Resolves when the record, as it is when it is written, is in the profile. Puts of one turn share a transaction. */
  put(store: string, key: string, record: () => Record<string, unknown>): Promise<void>;
  /** The same, with the next `put` or shortly after: for what may be lost because the network tells it again. */
  putSoon(store: string, key: string, record: () => Record<string, unknown>): Promise<void>;
  remove(store: string, key: string): Promise<void>;
  /** Messages that were stored and never acknowledged by the server, oldest first. */
  unsent(): Promise<MessageRow[]>;
  /** Up to `count` messages of a chat that stand before `order`, newest first. */
  earlier(chat: string, order: number, count: number): Promise<MessageRow[]>;
  /** Removes everything, as a logout does. */
  wipe(): Promise<void>;
}

/** A message as it lies in the database. `unsent` is 1 or absent, because absent fields are not indexed. */
export interface MessageRow {
  key: string;
  chat: string;
  /** Where it stands among all messages of the profile; grows with time. */
  order: number;
  unsent?: 1;
  data: Record<string, unknown>;
}

/** The page's line to the network. */
export interface Network {
  /** Connects, and connects again whenever the line breaks. */
  start(): void;
  /** Asks now; fails when the line breaks before the answer. */
  ask<T>(op: string, data?: Record<string, unknown>): Promise<T>;
  /** Asks when the device is online, and again after a broken line, until there is an answer. */
  request<T>(op: string, data?: Record<string, unknown>): Promise<T>;
  /** Tells without waiting for an answer; lost when the line is broken. */
  tell(op: string, data?: Record<string, unknown>): void;
  upload(bytes: ArrayBuffer): Promise<Record<string, unknown>>;
  download(directPath: string): Promise<ArrayBuffer>;
  /** Says that the device is online (its hello was accepted). */
  setOnline(): void;
  reconnect(): void;
  stop(): void;
  /** What to do with frames that answer nothing, by `op`. */
  readonly handlers: Record<string, (frame: Record<string, unknown>) => unknown>;
}

/** Who this device is, once it is linked. */
export interface Me {
  phone: string;
  lid: string;
  name: string;
  number: number;
}

/** The login as the profile keeps it. */
export interface Login {
  device: string;
  identity: string;
  secret: string;
  me?: Me;
}

/** A stanza: one thing that the network tells a linked device. */
export type Stanza = { n: number; kind: string } & Record<string, unknown>;

/** The object that every part gets. Parts run in order; each fills in what the later ones use. */
export interface SandboxPage {
  readonly config: PageConfig;
  /** Makes a module that `window.require(name)` gives. */
  define(name: string, exports: unknown): void;
  /** Gives a module. @throws Error when there is none, as the real page does */
  require<T = Record<string, (...args: never[]) => unknown>>(name: string): T;

  newEmitter(): Emitter;
  Model: new (values: Record<string, unknown>) => Model;
  newCollection<T extends Model>(
    modelClass: new (values: Record<string, unknown>) => T,
    extra?: Record<string, unknown>,
  ): Collection<T>;

  createWid(text: unknown): Wid;
  isWid(value: unknown): value is Wid;
  newMsgKey(parts: Record<string, unknown>): MsgKey;
  keyFromString(text: string): MsgKey;
  isMsgKey(value: unknown): value is MsgKey;
  /** Turns message fields into plain JSON values (addresses to strings, bytes marked) and back. */
  encode(values: Record<string, unknown>): Record<string, unknown>;
  decode(values: Record<string, unknown>): Record<string, unknown>;

  database: Database;
  network: Network;
  /** Resolves when the workers beside the page are there. */
  workers: Promise<unknown>;
  login: Login;
  socket: Model & { state: string; stream: string; hasSynced: boolean };
  /** What to do with each kind of stanza, in order; the frame is confirmed when every promise given here has resolved. */
  readonly stanzas: Record<string, (stanza: Stanza) => Promise<void>>;
  /** What to do with stanzas that come off the wire as such, by tag; those without an entry are only looked at. */
  readonly wap: Record<string, (attrs: Record<string, unknown>) => unknown>;
  /** Reads from the profile what the stanzas of one frame are about, so that they can be taken in without waiting. */
  preload(stanzas: Stanza[]): Promise<void>;
  mePn(): Wid | undefined;
  meLid(): Wid | undefined;

  contactOf(wid: Wid): ContactModel;
  /** Learns which LID belongs to which phone, and a name. */
  learn(details: { pn?: string; lid?: string; name?: string }): void;
  lidFor(wid: Wid): Wid | undefined;
  phoneFor(wid: Wid): Wid | undefined;
  Chat: Collection<ChatModel>;
  Msg: Collection<MsgModel>;
  newMsg(values: Record<string, unknown>): MsgModel;
  /** Resolves when the message is in the profile. `isUrgent` false lets it wait for the next write. */
  storeMsg(msg: MsgModel, isUrgent?: boolean): Promise<void>;
  loadMsg(row: MessageRow): MsgModel;
  chatOf(wid: Wid, details?: Record<string, unknown>): ChatModel;
  applyGroup(group: Record<string, unknown>): ChatModel;
  /** Resolves when the chat is in the profile, with the next write. */
  saveChat(chat: ChatModel): Promise<void>;
  /** Commands about chats that `WAWebCmd` offers. */
  chatCommands: Record<string, (chat: ChatModel, on: boolean) => Promise<void>>;
  /** Fetches a message's file; its `mediaData.mediaStage` says how it went. */
  fetchMedia(msg: MsgModel): Promise<void>;
  /** Sends what was stored and never reached the server. */
  sendUnsent(): Promise<void>;
}
