import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createExchange } from './exchange.ts';
import { hostPage } from './host.ts';
import { buildPage } from './html.ts';
import { openJournal } from './journal.ts';
import type { Journal } from './journal.ts';
import { createMediaStore } from './media.ts';
import { createCuts } from './cuts.ts';
import { createSandboxNetwork } from './network.ts';
import type { SandboxNetwork } from './network.ts';
import { createOperations } from './operations.ts';
import type { Drift } from './drift.ts';
import { createPairing } from './pairing.ts';
import { createPasskeys } from './passkeys.ts';
import type { AckLevel } from './records.ts';
import { listenForPages } from './server.ts';
import { createNetworkState } from './state.ts';
import { toStanza } from './wire.ts';

/** A stand-in for WhatsApp: a page for real Chromium and the network behind it. */
export interface Sandbox {
  /** How an instance's browser must be started to get the stand-in page: `webVersion`, `webVersionCache.path`, extra arguments. */
  readonly web: { version: string; cacheDir: string; chromiumArgs: string[] };
  readonly network: SandboxNetwork;
  /** The changes that the page shows. */
  drift(): Drift[];
  /** Changes the page for every browser that opens it from now on; an open page stays as it is. */
  setDrift(changes: Drift[]): void;
  /** Stops listening. Pages lose their connection; what the network knows stays in the folder. */
  close(): Promise<void>;
}

/** Settings of a sandbox. */
export interface SandboxOptions {
  /** The folder it lives in: journal, media, page. */
  dir: string;
  /** How far messages are acknowledged: 0 not even by the server, 1 by it alone, 2 delivered, 3 read by simulated people (default). */
  acks?: AckLevel;
  now?: () => number;
  /** How long a QR code is shown; default 20 s. After five of them the page goes idle. */
  qrRotationMs?: number;
  /** Pause between the end of offline delivery and `hasSynced`; default 400 ms. The stock library misses it when it comes at once. */
  syncDelayMs?: number;
  /** After so long without a word from the network the page asks for one; default 15 s, and up to as much again by chance, as WAComms does. */
  pingAfterMs?: number;
  /** A line on which nothing comes for so long after that is given up; default 20 s, WAComms' `deadSocketTime`. */
  deadAfterMs?: number;
  /** Changes of WhatsApp Web that the page shall show, to see how the gateway takes them. */
  drift?: Drift[];
}

/** The file name of the page in the library's web cache. */
const WEB_VERSION = '2.3000.0-sandbox';

/** Opens (or continues) the sandbox in a folder. One process at a time. @throws Error when the journal is damaged */
export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { dir, acks = 3, now = Date.now, qrRotationMs = 20_000, syncDelayMs = 400 } = options;
  const { pingAfterMs = 15_000, deadAfterMs = 20_000 } = options;
  const state = createNetworkState();
  const journal: Journal = openJournal(join(dir, 'network.jsonl'), (record, line) => state.apply(record, line));
  const media = createMediaStore(join(dir, 'media'));
  const cuts = createCuts(now);
  const toWire: Parameters<typeof createExchange>[0]['toWire'] = (device, pending) => toStanza(state, device, pending);
  const exchange = createExchange({ journal, state, acks, now, toWire });
  const passkeys = createPasskeys();
  const pairing = createPairing({ exchange, now });
  const network = createSandboxNetwork({ exchange, pairing, passkeys, media, cuts, now });
  const operations = createOperations({ exchange, pairing, passkeys, media, now, isCut: cuts.isCut });
  const server = await listenForPages({
    operations,
    onClose(session) {
      pairing.forget(session);
      passkeys.forget(session);
      exchange.detach(session);
    },
  });
  exchange.resume();

  const cacheDir = join(dir, 'web');
  mkdirSync(cacheDir, { recursive: true });
  let drift: Drift[] = [];
  let html = '';
  function setDrift(changes: Drift[]): void {
    drift = changes;
    html = buildPage({ networkUrl: server.url, qrRotationMs, syncDelayMs, pingAfterMs, deadAfterMs, drift });
    writeFileSync(join(cacheDir, `${WEB_VERSION}.html`), html);
  }
  setDrift(options.drift ?? []);
  const host = await hostPage(() => html);

  return {
    web: { version: WEB_VERSION, cacheDir, chromiumArgs: host.chromiumArgs },
    network,
    drift: () => drift,
    setDrift,
    async close() {
      exchange.stop();
      await server.close();
      await host.close();
      journal.close();
    },
  };
}
