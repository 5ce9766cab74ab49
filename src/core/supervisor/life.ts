import type { Logger } from 'pino';
import { reasonOf } from '../../model/errors.ts';
import type { ConflictPolicy } from '../../model/instance.ts';
import type { PasskeyStep } from '../../model/passkey.ts';
import { type Clock, withTimeout } from '../../model/time.ts';
import type { BrowserMemory, ClientEvent, ClientFactory, WhatsAppClient } from '../../whatsapp/client.ts';
import { ClientError } from '../../whatsapp/client.ts';
import type { Amendments } from '../amendments.ts';
import type { Features } from '../features.ts';
import type { Inbox } from '../inbox.ts';
import type { Outbox } from '../outbox.ts';
import type { Passkeys } from '../passkeys.ts';
import type { Signals } from '../signals.ts';
import { connectionMeanings, unpairedStates } from './connection.ts';
import type { End } from './end.ts';
import { createHeartbeat, type Heartbeat } from './heartbeat.ts';
import type { SupervisionLimits } from './limits.ts';
import { createPatience } from './patience.ts';
import type { Standing } from './standing.ts';
import { createWork } from './work.ts';

/** One browser from its start to its end. */
export interface Life {
  readonly client: WhatsAppClient;
  /** The QR code that is shown now. */
  readonly qr: { code: string; expiresAt: number } | null;
  /** When it was first ready, by the session's time. */
  readonly readyAt: number | null;
  readonly memory: (BrowserMemory & { measuredAt: number }) | null;
  /** Resolves at its end; the browser is closed by then. */
  readonly over: Promise<{ end: End; isClean: boolean }>;
  end(end: End): void;
  /** A person has asked for a pairing code; resolves when the state is written. */
  codeAsked(): Promise<void>;
  /** Looks whether it is alive, and whether it has been in one phase for too long. */
  beat(): void;
}

/** Whom every browser of the gateway tells what happens to it. */
export interface LifeParts {
  createClient: ClientFactory;
  outbox: Outbox;
  inbox: Inbox;
  amendments: Pick<Amendments, 'take' | 'catchUp'>;
  signals: Pick<Signals, 'take'>;
  passkeys: Pick<Passkeys, 'hear' | 'over'>;
  features: Pick<Features, 'learn' | 'forget'>;
  blocked(instanceId: string): Promise<void>;
  limits: SupervisionLimits;
  clock: Clock;
  log: Logger;
}

interface LifeDeps extends LifeParts {
  instanceId: string;
  options: { profileDir: string; proxyUrl: string | null; userAgent: string | null };
  conflictPolicy(): Promise<ConflictPolicy>;
  standing: Standing;
  /** The session's time, which never goes back. */
  time: () => number;
  /** Is called once: when the start no longer needs its place. */
  started(): void;
}

const qrLifetimeMs = 20_000;
const laterCheckMs = 10_000;
const conflictPauseMs = 1_000;
const mostTakeovers = 3;

/** Starts a browser for an instance and follows it until it ends. */
export function beginLife(deps: LifeDeps): Life {
  const { instanceId, standing, outbox, inbox, limits, clock, time, log } = deps;
  let qr: Life['qr'] = null;
  let readyAt: number | null = null;
  let memory: Life['memory'] = null;
  let heartbeat: Heartbeat | null = null;
  let measuredAt = 0;
  let inspectedAt = 0;
  let takeovers = 0;
  let asksPasskey = false;
  let connection = '';
  let isOver = false;
  let finish: (end: End) => void = () => undefined;
  const ended = new Promise<End>((resolve) => {
    finish = (end) => {
      isOver = true;
      resolve(end);
    };
  });

  const patience = createPatience(limits, time);
  const client = deps.createClient({ ...deps.options, instanceId, onEvent: hear });
  const work = createWork({ ...deps, client });
  inbox.pageBegins(instanceId);
  client.start().then(
    // No QR code by then: the profile holds a login.
    () => (standing.state === 'starting' ? moved('authenticating') : undefined),
    (error: unknown) =>
      finish({
        kind: 'closed',
        reason: reasonOf(error),
        ...(error instanceof ClientError ? { code: error.code } : {}),
      }),
  );

  /** Moves the state on and gives the new one its time; false when nothing changed or the life is over. */
  function moved(
    happening: Parameters<Standing['happened']>[0],
    detail: Parameters<Standing['happened']>[1] = {},
  ): boolean {
    if (isOver) return false;
    const before = standing.state;
    void standing.happened(happening, detail);
    if (standing.state === before) return false;
    patience.begin(standing.state);
    return true;
  }

  function watch(): void {
    heartbeat ??= createHeartbeat({
      async ask() {
        const state = await client.probe(limits.silenceMs * 2);
        // An event may have been missed; before ready the states of the page mean other things.
        if (readyAt !== null) connectionChanged(state);
      },
      beatMs: limits.beatMs,
      probeEveryMs: limits.probeEveryMs,
      now: time(),
    });
  }

  // ---- what the client tells ----

  function hear(event: ClientEvent): void {
    if (event.type === 'sent') return outbox.onSent(instanceId, event.outcomes);
    if (event.type === 'acks') return outbox.onAcks(instanceId, event.acks);
    if (event.type === 'received') return inbox.receive(instanceId, event.messages);
    if (event.type === 'amended') return deps.amendments.take(instanceId, event.amendments);
    if (event.type === 'signals') return deps.signals.take(instanceId, event);
    if (isOver) return;
    if (event.type === 'self_test') return void deps.features.learn(instanceId, event.selfTest);
    if (event.type === 'closed') return finish({ ...event, kind: 'closed' });
    if (event.type === 'logged_out') return finish({ kind: 'unlinked' });
    if (event.type === 'connection') return connectionChanged(event.state);
    if (event.type === 'passkey') return passkeyTold(event.told);
    // Codes go on being made behind the passkey screen, and are of no use then.
    if (event.type === 'qr') return asksPasskey ? undefined : qrShown(event.code);
    if (event.type === 'progress')
      return standing.state === 'authenticating' ? patience.begin('authenticating') : undefined;
    if (event.type === 'action_required') {
      deps.started();
      watch();
      return void moved('action', event);
    }
    qr = null;
    passkeyOver();
    if (event.type === 'authenticating') return void moved('authenticating');
    ready(event);
  }

  function passkeyTold(told: PasskeyStep): void {
    if (told.step === 'over') return passkeyOver();
    asksPasskey = true;
    qr = null;
    deps.started();
    watch();
    moved('action', { code: 'passkey', reason: deps.passkeys.hear(instanceId, client, told) });
  }

  function passkeyOver(): void {
    asksPasskey = false;
    deps.passkeys.over(instanceId);
  }

  function qrShown(code: string): void {
    deps.started();
    if (standing.linkedAt !== null) return finish({ kind: 'login_lost' });
    qr = { code, expiresAt: clock.now() + qrLifetimeMs };
    watch();
    // Who was linked once is told that this is a new scan.
    moved('qr_shown', standing.lastReadyAt === null ? {} : { code: 'scan_again' });
    patience.begin(standing.state);
  }

  function ready({ account }: Extract<ClientEvent, { type: 'ready' }>): void {
    const now = clock.now();
    deps.started();
    readyAt ??= time();
    connection = 'CONNECTED';
    watch();
    const { phone, lid, pushName, webVersion } = account;
    const patch = { phone, lid, pushName, webVersion, lastReadyAt: now, linkedAt: standing.linkedAt ?? now };
    const written = standing.happened('ready', { patch });
    patience.begin(standing.state);
    inspectedAt = 0;
    void written.then(work.takeUp);
  }

  function connectionChanged(state: string): void {
    if (isOver || state === connection) return;
    log.debug({ instance: instanceId, connection: state }, 'connection state');
    connection = state;
    const meaning = connectionMeanings[state];
    if (unpairedStates.has(state) && readyAt !== null) return void laterCheck();
    if (!meaning) return;
    // A line before the page was ready once is the end of linking.
    const happening = meaning.happening === 'online' && readyAt === null ? 'authenticating' : meaning.happening;
    moved(happening, meaning);
    if (!work.isDown && standing.state !== 'ready') work.putDown();
    if (meaning.isBlock) report(deps.blocked(instanceId), 'campaigns could not be paused');
    if (state === 'CONFLICT') report(settleConflict(), 'the link could not be taken back');
    if (work.isDown && standing.state === 'ready') {
      // What was shown beside the state went with it.
      inspectedAt = 0;
      void standing.written().then(work.takeUp);
    }
  }

  /** UNPAIRED after ready: a logout tells itself; where none comes, a fresh start shows how things are. */
  async function laterCheck(): Promise<void> {
    work.putDown();
    await clock.sleep(laterCheckMs);
    if (unpairedStates.has(connection)) finish({ kind: 'closed', reason: 'WhatsApp Web is not linked any more' });
  }

  /** Two places that both take the link back would do so for ever, so it is done a few times only. */
  async function settleConflict(): Promise<void> {
    if ((await deps.conflictPolicy()) !== 'takeover' || takeovers >= mostTakeovers) return;
    takeovers += 1;
    await clock.sleep(conflictPauseMs);
    if (isOver) return;
    log.warn({ instance: instanceId, takeovers }, 'WhatsApp Web was opened elsewhere: taking the link back');
    await client.takeover();
  }

  // ---- time ----

  function beat(): void {
    if (isOver) return;
    const now = time();
    const { state } = standing;
    const complaint = patience.complaint(now);
    if (complaint !== null) return finish({ kind: 'closed', reason: complaint, stuckIn: state });
    if (heartbeat && heartbeat.beat(now) >= limits.silenceMs)
      return finish({ kind: 'closed', reason: 'The page does not answer', isDead: true });
    if (now - measuredAt >= limits.memoryEveryMs) {
      measuredAt = now;
      report(measure(), 'memory could not be measured');
    }
    if (state === 'ready' && now - inspectedAt >= limits.inspectEveryMs) {
      inspectedAt = now;
      report(work.inspect(), 'restrictions could not be asked for');
    }
  }

  async function measure(): Promise<void> {
    const measured = await client.memory();
    memory = measured && { ...measured, measuredAt: clock.now() };
  }

  async function close(): Promise<{ end: End; isClean: boolean }> {
    const end = await ended;
    // The end of a browser may take long, most of all of one that does not answer.
    if (end.kind === 'closed' && standing.state === 'ready') void standing.happened('offline', { reason: end.reason });
    deps.started();
    qr = null;
    passkeyOver();
    work.putDown();
    deps.features.forget(instanceId);
    const timeoutMs = end.kind === 'closed' && end.isDead ? limits.stopDeadMs : limits.stopMs;
    try {
      const isClean = await withTimeout(client.stop(timeoutMs), timeoutMs + limits.stopMs, 'The browser does not end');
      return { end, isClean };
    } catch (error) {
      log.error({ instance: instanceId, error: reasonOf(error) }, 'the browser did not stop');
      return { end, isClean: false };
    } finally {
      await standing.written();
    }
  }

  function report(work: Promise<unknown>, sentence: string): void {
    work.catch((error: unknown) => log.error({ instance: instanceId, error: reasonOf(error) }, sentence));
  }

  return {
    client,
    get qr() {
      return qr;
    },
    get readyAt() {
      return readyAt;
    },
    get memory() {
      return memory;
    },
    over: close(),
    end: (end) => finish(end),
    codeAsked() {
      moved('code_asked');
      patience.begin(standing.state);
      return standing.written();
    },
    beat,
  };
}
