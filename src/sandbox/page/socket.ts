import type { Login, Me, Model, SandboxPage, Stanza } from './page.ts';

/** The connection's life as WhatsApp Web shows it: states, QR refs, pairing codes, offline delivery, logout. Starts the page. */
export function defineSocket(page: SandboxPage): void {
  const { network, database, config } = page;
  const QR_REFS = 5;
  const TIMEOUT_AFTER_MS = 10_000;
  const LOGOUT_AFTER_MS = 500;
  /** Confirmations are gathered for so long. */
  const CONFIRM_MS = 15;
  let refTimer: ReturnType<typeof setTimeout> | undefined;
  let breakTimer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  /** What comes is taken in one after the other, so that what is confirmed is stored and order is kept. */
  let work: Promise<void> = Promise.resolve();

  class Socket extends (page.Model as new (values: Record<string, unknown>) => Model) {
    reconnect(): void {
      network.reconnect();
    }
    takeover(): void {
      if (config.drift.includes('silent-conflict')) throw new Error('Takeover called without conflict!');
      network.start();
    }
    logout(): Promise<void> | undefined {
      if (!config.drift.includes('logout-later')) return unlink();
      setTimeout(() => void unlink(), LOGOUT_AFTER_MS);
      return undefined;
    }
  }
  page.socket = new Socket({
    state: 'UNLAUNCHED',
    stream: 'DISCONNECTED',
    hasSynced: undefined,
  }) as unknown as SandboxPage['socket'];
  const { socket } = page;
  page.define('WAWebSocketModel', { Socket: socket });
  let comms: object | null = {};
  page.define('WAComms', { getComms: () => comms });

  class Conn extends (page.Model as new (values: Record<string, unknown>) => Model) {
    canSetMyPushname(): boolean {
      return true;
    }
  }
  const conn = new Conn({ ref: undefined, refTTL: config.qrRotationMs, platform: 'android', connected: false });
  page.define('WAWebConnModel', { Conn: conn });

  class Stream extends (page.Model as new (values: Record<string, unknown>) => Model) {
    markAvailable(): void {
      this.set({ available: true });
    }
    markUnavailable(): void {
      this.set({ available: false });
    }
  }
  page.define('WAWebStreamModel', {
    Stream: new Stream({ available: false, mode: 'MAIN', info: 'NORMAL', displayInfo: 'NORMAL' }),
  });

  /** A broken line is not an error here: the next hello shows a ref again. */
  const refreshQR = (): void => void showRefs().catch(() => undefined);
  const cmd = Object.assign(page.newEmitter(), { refreshQR, ...page.chatCommands });
  page.define('WAWebCmd', { Cmd: cmd });
  page.define('WAWebLaunchSocketUtils', { refreshQR });

  let progress = 100;
  page.define('WAWebOfflineHandler', {
    OfflineMessageHandler: { getOfflineDeliveryProgress: () => progress, isResumeComplete: () => progress === 100 },
  });

  page.define('WAWebAltDeviceLinkingApi', {
    setPairingType: () => undefined,
    initializeAltDeviceLinking: async () => clearTimeout(refTimer),
    initializeQRLinking: async () => refreshQR(),
    async startAltLinkingFlow(phone: string): Promise<string> {
      const { code } = await network.ask<{ code: string }>('pairing_code', { phone });
      return code;
    },
  });

  /** Shows one QR ref after another; after the last one the page waits for `refreshQR`. */
  async function showRefs(shown = 0): Promise<void> {
    clearTimeout(refTimer);
    if (page.login.me) return;
    if (shown === QR_REFS) {
      socket.set({ state: 'UNPAIRED_IDLE' });
      return;
    }
    const { ref } = await network.ask<{ ref: string }>('ref');
    conn.set({ ref });
    socket.set({ state: 'UNPAIRED' });
    refTimer = setTimeout(() => void showRefs(shown + 1).catch(() => undefined), config.qrRotationMs);
  }

  /** Forgets the login and comes back as a page that was never linked, at the address the real page goes to. */
  async function leave(): Promise<void> {
    if (isOver) return;
    isOver = true;
    network.stop();
    await database.wipe();
    setTimeout(() => location.assign('/?post_logout=1&logout_reason=0'));
  }

  async function unlink(): Promise<void> {
    if (page.login.me) await network.ask('logout').catch(() => undefined);
    await leave();
  }

  /** The phone removed this device. */
  async function wasUnlinked(): Promise<void> {
    cmd.trigger('logout');
    await leave();
  }

  interface Linked {
    status: 'linked';
    me: Me;
    groups: Record<string, unknown>[];
    waiting: number;
  }

  function arrive({ me, groups, waiting }: Linked): void {
    clearTimeout(refTimer);
    clearTimeout(breakTimer);
    breakTimer = undefined;
    progress = waiting === 0 ? 100 : 0;
    page.learn({ pn: `${me.phone}@c.us`, lid: `${me.lid}@lid` });
    for (const group of groups) page.applyGroup(group);
    conn.set({ wid: page.mePn(), pushname: me.name, connected: true });
    if (config.drift.includes('early-sync')) socket.set({ hasSynced: true });
    socket.set({ state: 'CONNECTED' });
    network.setOnline();
    work = work.then(page.sendUnsent).catch((error: unknown) => console.error(error));
  }

  async function hello(): Promise<void> {
    const answer = await network.ask<Linked | { status: 'unlinked' | 'cut' }>('hello', { device: page.login.device });
    if (answer.status === 'linked') arrive(answer);
    else if (answer.status === 'unlinked') await (page.login.me ? wasUnlinked() : showRefs());
  }

  /** How the network says that another place goes on with this login. */
  const replaced = { tag: 'stream:error', content: [{ tag: 'conflict', attrs: { type: 'replaced' } }] };

  network.handlers['opened'] = () => {
    if (page.login.me) socket.set({ state: 'OPENING' });
    hello().catch(() => undefined);
  };
  network.handlers['closed'] = ({ reason }) => {
    conn.set({ connected: false });
    clearTimeout(refTimer);
    if (isOver) return;
    if (reason === 'conflict' && config.drift.includes('silent-conflict')) {
      network.handlers['wap']?.({ node: replaced });
      socket.set({ stream: 'DISCONNECTED' });
      comms = null;
      return network.stop();
    }
    socket.set({
      stream: 'DISCONNECTED',
      ...(page.login.me ? { state: reason === 'conflict' ? 'CONFLICT' : 'OPENING' } : {}),
    });
    if (reason === 'conflict') network.stop();
    else if (page.login.me) breakTimer ??= setTimeout(() => socket.set({ state: 'TIMEOUT' }), TIMEOUT_AFTER_MS);
  };
  network.handlers['unlinked'] = wasUnlinked;
  network.handlers['pair'] = async ({ me }) => {
    clearTimeout(refTimer);
    page.login.me = me as Me;
    await database.put('login', 'login', () => ({ key: 'login', value: page.login }));
    socket.set({ state: 'PAIRING' });
    arrive(await network.ask<Linked>('paired', { device: page.login.device }));
  };

  network.handlers['stanzas'] = ({ stanzas }) => {
    work = work.then(() => take(stanzas as Stanza[])).catch((error: unknown) => console.error(error));
  };
  /** Resolves when everything taken in so far is in the profile. */
  let stored: Promise<unknown> = Promise.resolve();
  async function take(stanzas: Stanza[]): Promise<void> {
    await page.preload(stanzas);
    const writes = stanzas.map((stanza) => page.stanzas[stanza.kind]?.(stanza));
    stored = Promise.all([stored, ...writes])
      .then(() => confirm(stanzas.at(-1)?.n ?? 0))
      .catch((error: unknown) => console.error(error));
  }
  let confirmed = 0;
  let confirmTimer: ReturnType<typeof setTimeout> | undefined;
  function confirm(n: number): void {
    confirmed = n;
    confirmTimer ??= setTimeout(() => {
      confirmTimer = undefined;
      network.tell('got', { n: confirmed });
    }, CONFIRM_MS);
  }
  network.handlers['offline_done'] = () => {
    work = work
      .then(() => stored)
      .then(() => {
        progress = 100;
        cmd.trigger('offline_progress_update_from_bridge');
        setTimeout(
          () => socket.set({ hasSynced: true, stream: 'CONNECTED' }),
          socket.hasSynced ? 0 : config.syncDelayMs,
        );
      });
  };

  async function start(): Promise<void> {
    await database.open();
    const login = await database.get<{ value: Login }>('login', 'login');
    if (login) page.login = login.value;
    for (const { key, lid, name } of await database.all<{ key: string; lid?: string; name?: string }>('contact')) {
      const isLid = key.endsWith('@lid');
      page.learn({
        ...(isLid ? { lid: key } : { pn: key }),
        ...(lid ? { lid } : {}),
        ...(name === undefined ? {} : { name }),
      });
    }
    for (const row of await database.all<{
      key: string;
      data: Record<string, unknown>;
      group?: Record<string, unknown>;
    }>('chat')) {
      if (row.group) page.applyGroup(row.group);
      const { lastReceivedKey, ...values } = page.decode(row.data);
      page.chatOf(page.createWid(row.key)).set(values).hide({ lastReceivedKey });
    }
    await page.workers;
    network.start();
  }
  start().catch((error: unknown) => console.error(error));
}
