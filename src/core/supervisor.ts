import { join } from 'node:path';
import type { Logger } from 'pino';
import { GatewayError, reasonOf } from '../model/errors.ts';
import type { Instance, InstanceState } from '../model/instance.ts';
import { type Clock, withTimeout } from '../model/time.ts';
import type { InstancePatch } from '../store/instances.ts';
import type { ClientEvent, ClientFactory, WhatsAppClient } from '../whatsapp/client.ts';
import type { Inbox } from './inbox.ts';
import type { Outbox } from './outbox.ts';
import { createSlots } from './slots.ts';

/** Keeps the instances that should run running: one session each, restarted with growing pauses. */
export interface Supervisor {
  /** Starts the session of an instance; nothing happens when it runs already. */
  start(instance: Instance): void;
  /** Ends the session; the login stays. */
  stop(instanceId: string): Promise<void>;
  /** Unlinks the device from the phone, ends the session and removes the profile. */
  logout(instanceId: string): Promise<void>;
  /** Returns the client of an instance that is ready. @throws GatewayError instance_not_ready */
  client(instanceId: string): WhatsAppClient;
  /** Returns the QR code that is shown now. */
  qr(instanceId: string): { code: string; expiresAt: number } | null;
  /** Returns a code to type on the phone, `ABCDEFGH`. @throws GatewayError instance_not_ready when no link can be made now */
  pairingCode(instanceId: string, phone: string): Promise<string>;
  /** Probes the ready ones and restarts those whose page is dead. */
  tick(): Promise<void>;
  close(): Promise<void>;
}

interface SupervisorDeps {
  createClient: ClientFactory;
  /** Writes a state change and tells the world. */
  changeState(instanceId: string, patch: InstancePatch & { state: InstanceState }): Promise<void>;
  outbox: Outbox;
  inbox: Inbox;
  /** Hears that WhatsApp has blocked a number. */
  blocked?(instanceId: string): Promise<void>;
  profilesDir: string;
  /** Removes a browser profile for good. */
  removeProfile(profileDir: string): Promise<void>;
  startConcurrency: number;
  clock: Clock;
  random: () => number;
  log: Logger;
}

/** One instance that should run. */
interface Session {
  instanceId: string;
  state: InstanceState;
  client: WhatsAppClient | null;
  qr: { code: string; expiresAt: number } | null;
  readyAt: number | null;
  /** When the current phase has taken too long, Unix ms. */
  deadlineAt: number;
  abort: AbortController;
  /** Ends the current life of the session with a reason. */
  finish: (end: End) => void;
  done: Promise<void>;
  /** State writes, one after another. */
  writes: Promise<void>;
}

type End = Extract<ClientEvent, { type: 'closed' | 'logged_out' }>;

const startDeadlineMs = 120_000;
const readyDeadlineMs = 180_000;
const qrLifetimeMs = 20_000;
const probeTimeoutMs = 10_000;
const stopTimeoutMs = 15_000;
const stableMs = 300_000;
const backoffMs = { first: 5_000, most: 300_000 };

/** What a connection state of the page means for an instance that was ready. */
const connectionStates: Record<string, { state: InstanceState; reason: string | null; blocked?: true }> = {
  CONNECTED: { state: 'ready', reason: null },
  OPENING: { state: 'disconnected', reason: 'WhatsApp Web is reconnecting' },
  TIMEOUT: { state: 'disconnected', reason: 'WhatsApp Web cannot reach WhatsApp' },
  CONFLICT: { state: 'action_required', reason: 'WhatsApp Web was opened elsewhere with this link' },
  TOS_BLOCK: {
    state: 'action_required',
    reason: 'WhatsApp has blocked this number (terms of service)',
    blocked: true,
  },
  SMB_TOS_BLOCK: {
    state: 'action_required',
    reason: 'WhatsApp has blocked this business number (terms of service)',
    blocked: true,
  },
  PROXYBLOCK: { state: 'action_required', reason: 'WhatsApp refuses this network or proxy' },
  DEPRECATED_VERSION: { state: 'action_required', reason: 'WhatsApp refuses this version of WhatsApp Web: update it' },
};

/** Returns the supervisor over all sessions of this gateway. */
export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { createClient, changeState, outbox, inbox, profilesDir, clock, random, log } = deps;
  const sessions = new Map<string, Session>();
  const slots = createSlots(deps.startConcurrency);

  function start(instance: Instance): void {
    if (sessions.has(instance.id)) return;
    const session: Session = {
      instanceId: instance.id,
      state: instance.state,
      client: null,
      qr: null,
      readyAt: null,
      deadlineAt: Number.POSITIVE_INFINITY,
      abort: new AbortController(),
      finish: () => undefined,
      done: Promise.resolve(),
      writes: Promise.resolve(),
    };
    sessions.set(instance.id, session);
    session.done = run(session).finally(() => sessions.delete(instance.id));
  }

  /** Lives again and again until it is stopped or logged out. */
  async function run(session: Session): Promise<void> {
    let attempt = 0;
    while (!session.abort.signal.aborted) {
      const end = await live(session);
      if (session.abort.signal.aborted) return;
      if (end.type === 'logged_out') {
        await forget(session);
        return;
      }
      if (session.readyAt !== null && clock.now() - session.readyAt >= stableMs) attempt = 0;
      const pauseMs = Math.min(backoffMs.first * 2 ** attempt, backoffMs.most) * (0.8 + 0.4 * random());
      attempt += 1;
      log.warn({ instance: session.instanceId, reason: end.reason, retryInMs: Math.round(pauseMs) }, 'instance ended');
      await setState(session, session.readyAt === null ? 'failed' : 'disconnected', end.reason);
      await clock.sleep(pauseMs, session.abort.signal).catch(() => undefined);
    }
  }

  /** From the start of a browser to its end. */
  async function live(session: Session): Promise<End> {
    const release = await slots.take(session.abort.signal);
    if (!release) return { type: 'closed', reason: 'stopped' };
    const ended = new Promise<End>((resolve) => {
      session.finish = (end) => {
        release();
        resolve(end);
      };
    });
    session.readyAt = null;
    session.deadlineAt = clock.now() + startDeadlineMs;
    const client = createClient({
      instanceId: session.instanceId,
      profileDir: join(profilesDir, session.instanceId),
      onEvent: (event) => hear(session, event, release),
    });
    session.client = client;
    void setState(session, 'starting', null);
    client.start().catch((error: unknown) => session.finish({ type: 'closed', reason: reasonOf(error) }));

    const end = await ended;
    session.qr = null;
    session.deadlineAt = Number.POSITIVE_INFINITY;
    outbox.instanceGone(session.instanceId);
    await client
      .stop(stopTimeoutMs)
      .catch((error: unknown) =>
        log.error({ instance: session.instanceId, error: reasonOf(error) }, 'the browser did not stop'),
      );
    session.client = null;
    await session.writes;
    return end;
  }

  /** The phone has removed the device: the profile holds nothing of worth, and the next start asks for a new scan. */
  async function forget(session: Session): Promise<void> {
    await removeProfile(session.instanceId);
    await outbox.abandon(session.instanceId, 'profile_lost');
    await setState(session, 'logged_out', 'The device was unlinked: scan a new QR code');
  }

  // ---- what a client tells ----

  function hear(session: Session, event: ClientEvent, started: () => void): void {
    const { instanceId } = session;
    if (event.type === 'sent') return outbox.onSent(instanceId, event.outcomes);
    if (event.type === 'acks') return outbox.onAcks(instanceId, event.acks);
    if (event.type === 'received') return inbox.receive(instanceId, event.messages);
    if (event.type === 'closed' || event.type === 'logged_out') return session.finish(event);
    if (event.type === 'connection') return connectionChanged(session, event.state);

    started();
    if (event.type === 'qr') {
      session.qr = { code: event.code, expiresAt: clock.now() + qrLifetimeMs };
      session.deadlineAt = Number.POSITIVE_INFINITY;
      if (session.state !== 'pairing') void setState(session, 'qr', null);
      return;
    }
    session.qr = null;
    if (event.type === 'authenticating') {
      session.deadlineAt = clock.now() + readyDeadlineMs;
      void setState(session, 'authenticating', null);
      return;
    }
    session.deadlineAt = Number.POSITIVE_INFINITY;
    session.readyAt = clock.now();
    const { phone, lid, pushName, webVersion } = event.account;
    void setState(session, 'ready', null, { phone, lid, pushName, webVersion, lastReadyAt: clock.now() }).then(() =>
      online(session),
    );
  }

  function connectionChanged(session: Session, connection: string): void {
    log.debug({ instance: session.instanceId, connection }, 'connection state');
    if (session.readyAt === null) return;
    const meaning = connectionStates[connection];
    if (!meaning) return void laterCheck(session);
    if (meaning.state === session.state) return;
    if (meaning.state !== 'ready') outbox.instanceGone(session.instanceId);
    if (meaning.blocked)
      deps
        .blocked?.(session.instanceId)
        .catch((error: unknown) =>
          log.error({ instance: session.instanceId, error: reasonOf(error) }, 'campaigns could not be paused'),
        );
    void setState(session, meaning.state, meaning.reason).then(() =>
      meaning.state === 'ready' ? online(session) : undefined,
    );
  }

  /** UNPAIRED after ready: a logout tells itself; where none comes, a fresh start shows how things are. */
  async function laterCheck(session: Session): Promise<void> {
    const { client } = session;
    outbox.instanceGone(session.instanceId);
    await clock.sleep(10_000, session.abort.signal).catch(() => undefined);
    if (session.client === client && session.state === 'ready')
      session.finish({ type: 'closed', reason: 'WhatsApp Web is not linked any more' });
  }

  /** Sends what waits and asks for what arrived meanwhile. */
  async function online(session: Session): Promise<void> {
    const { client, instanceId } = session;
    if (!client || session.state !== 'ready') return;
    try {
      // What the page cannot tell of the past must not keep the instance from its work.
      await inbox
        .catchUp(instanceId, client)
        .catch((error: unknown) =>
          log.error({ instance: instanceId, error: reasonOf(error) }, 'missed messages could not be looked up'),
        );
      await outbox.instanceReady(instanceId, client);
    } catch (error) {
      log.error({ instance: instanceId, error: reasonOf(error) }, 'the instance could not take up its work');
      session.finish({ type: 'closed', reason: reasonOf(error) });
    }
  }

  function setState(
    session: Session,
    state: InstanceState,
    reason: string | null,
    more: InstancePatch = {},
  ): Promise<void> {
    session.state = state;
    session.writes = session.writes
      .then(() => changeState(session.instanceId, { ...more, state, reason }))
      .catch((error: unknown) =>
        log.error({ instance: session.instanceId, error: reasonOf(error) }, 'a state could not be written'),
      );
    return session.writes;
  }

  // ---- what others ask ----

  async function stop(instanceId: string): Promise<void> {
    const session = sessions.get(instanceId);
    if (!session) return;
    session.abort.abort();
    session.finish({ type: 'closed', reason: 'stopped' });
    await session.done;
  }

  async function logout(instanceId: string): Promise<void> {
    const session = sessions.get(instanceId);
    session?.abort.abort();
    if (session?.client && session.readyAt !== null)
      await session.client
        .logout()
        .catch((error: unknown) =>
          log.warn({ instance: instanceId, error: reasonOf(error) }, 'the phone was not told of the logout'),
        );
    await stop(instanceId);
    await removeProfile(instanceId);
    await outbox.abandon(instanceId, 'profile_lost');
  }

  function removeProfile(instanceId: string): Promise<void> {
    return deps.removeProfile(join(profilesDir, instanceId));
  }

  function client(instanceId: string): WhatsAppClient {
    const session = sessions.get(instanceId);
    if (!session?.client || session.state !== 'ready')
      throw new GatewayError('instance_not_ready', `Instance ${instanceId} is not connected to WhatsApp`, {
        retryAfterSeconds: 10,
      });
    return session.client;
  }

  async function pairingCode(instanceId: string, phone: string): Promise<string> {
    const session = sessions.get(instanceId);
    if (!session?.client || !['qr', 'pairing'].includes(session.state))
      throw new GatewayError('instance_not_ready', `Instance ${instanceId} is not waiting to be linked`);
    const code = await session.client.requestPairingCode(phone);
    await setState(session, 'pairing', null);
    return code;
  }

  async function tick(): Promise<void> {
    const now = clock.now();
    await Promise.all(
      [...sessions.values()].map(async (session) => {
        if (now > session.deadlineAt)
          return session.finish({ type: 'closed', reason: `Nothing happened in time while ${session.state}` });
        if (session.readyAt === null || !session.client) return;
        const { client: probed } = session;
        try {
          await withTimeout(probed.probe(probeTimeoutMs), probeTimeoutMs, 'The page does not answer');
        } catch (error) {
          if (session.client === probed) session.finish({ type: 'closed', reason: reasonOf(error) });
        }
      }),
    );
  }

  async function close(): Promise<void> {
    await Promise.all([...sessions.keys()].map(stop));
  }

  return {
    start,
    stop,
    logout,
    client,
    qr: (instanceId) => sessions.get(instanceId)?.qr ?? null,
    pairingCode,
    tick,
    close,
  };
}
