import type { MessageRow, SandboxPage } from './page.ts';

/** The profile's database: login, messages, chats and contacts in IndexedDB. */
export function defineDatabase(page: SandboxPage): void {
  const NAME = 'model-storage';
  /** How long a write that nobody waits for may stay in memory; any other write takes it along. */
  const LAZY_MS = 40;
  const STORES = ['login', 'message', 'chat', 'contact', 'reaction'];
  let opening: Promise<IDBDatabase> | undefined;
  let batch = new Map<string, Put>();
  let batched: Promise<void> | undefined;
  let lazyTimer: ReturnType<typeof setTimeout> | undefined;
  let lazyDone: (() => void)[] = [];

  interface Put {
    store: string;
    record: () => Record<string, unknown>;
  }

  const result = <T>(request: IDBRequest<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      request.addEventListener('success', () => resolve(request.result));
      request.addEventListener('error', () => reject(request.error));
    });

  function connect(): Promise<IDBDatabase> {
    opening ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(NAME, 2);
      request.addEventListener('upgradeneeded', ({ oldVersion }) => {
        const database = request.result;
        database.createObjectStore('reaction', { keyPath: 'key' });
        if (oldVersion === 1) return;
        database.createObjectStore('login', { keyPath: 'key' });
        database.createObjectStore('chat', { keyPath: 'key' });
        database.createObjectStore('contact', { keyPath: 'key' });
        const messages = database.createObjectStore('message', { keyPath: 'key' });
        messages.createIndex('unsent', ['unsent', 'order']);
        messages.createIndex('chat', ['chat', 'order']);
      });
      request.addEventListener('success', () => resolve(request.result));
      request.addEventListener('error', () => reject(request.error));
    });
    return opening;
  }

  /** Resolves when the transaction is in the profile's files, where a killed browser cannot lose it. */
  async function write(stores: string[], work: (transaction: IDBTransaction) => void, strict = false): Promise<void> {
    const database = await connect();
    const transaction = database.transaction(stores, 'readwrite', { durability: strict ? 'strict' : 'relaxed' });
    await new Promise<void>((resolve, reject) => {
      transaction.addEventListener('complete', () => resolve());
      transaction.addEventListener('abort', () => reject(transaction.error));
      work(transaction);
      transaction.commit();
    });
  }

  async function cursor(
    index: string,
    range: IDBKeyRange,
    direction: IDBCursorDirection,
    count: number,
  ): Promise<MessageRow[]> {
    const database = await connect();
    const request = database.transaction('message').objectStore('message').index(index).openCursor(range, direction);
    return new Promise((resolve, reject) => {
      const rows: MessageRow[] = [];
      request.addEventListener('error', () => reject(request.error));
      request.addEventListener('success', () => {
        const at = request.result;
        if (at) rows.push(at.value as MessageRow);
        if (!at || rows.length >= count) resolve(rows);
        else at.continue();
      });
    });
  }

  /** Writes everything that waits, in one transaction at the end of this turn. */
  function flush(): Promise<void> {
    batched ??= Promise.resolve().then(async () => {
      const puts = [...batch.values()];
      const done = lazyDone;
      batch = new Map();
      batched = undefined;
      lazyDone = [];
      clearTimeout(lazyTimer);
      lazyTimer = undefined;
      const stores = [...new Set(puts.map(({ store }) => store))];
      if (stores.length > 0)
        await write(
          stores,
          (transaction) => {
            for (const { store, record } of puts) transaction.objectStore(store).put(record());
          },
          stores.includes('login'),
        );
      for (const resolve of done) resolve();
    });
    return batched;
  }

  page.database = {
    async open() {
      await connect();
    },
    async get<T>(store: string, key: string) {
      const database = await connect();
      return (await result(database.transaction(store).objectStore(store).get(key))) as T | undefined;
    },
    async many<T>(store: string, keys: string[]) {
      const found = new Map<string, T>();
      if (keys.length === 0) return found;
      const database = await connect();
      const rows = database.transaction(store).objectStore(store);
      await Promise.all(
        keys.map(async (key) => {
          const row = (await result(rows.get(key))) as T | undefined;
          if (row !== undefined) found.set(key, row);
        }),
      );
      return found;
    },
    async all<T>(store: string) {
      const database = await connect();
      return (await result(database.transaction(store).objectStore(store).getAll())) as T[];
    },
    put(store, key, record) {
      batch.set(`${store}/${key}`, { store, record });
      return flush();
    },
    putSoon(store, key, record) {
      batch.set(`${store}/${key}`, { store, record });
      lazyTimer ??= setTimeout(() => void flush(), LAZY_MS);
      return new Promise((resolve) => lazyDone.push(resolve));
    },
    remove(store, key) {
      batch.delete(`${store}/${key}`);
      return write([store], (transaction) => void transaction.objectStore(store).delete(key));
    },
    unsent: () => cursor('unsent', IDBKeyRange.bound([1, 0], [1, Infinity]), 'next', Infinity),
    earlier: (chat, order, count) =>
      cursor('chat', IDBKeyRange.bound([chat, 0], [chat, order], false, true), 'prev', count),
    wipe: () =>
      write(
        STORES,
        (transaction) => {
          for (const store of STORES) transaction.objectStore(store).clear();
        },
        true,
      ),
  };
}
