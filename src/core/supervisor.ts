import { join } from 'node:path';
import { GatewayError, reasonOf } from '../model/errors.ts';
import type { Instance } from '../model/instance.ts';
import type { BrowserMemory, WhatsAppClient } from '../whatsapp/client.ts';
import { createSession, type Session, type SessionDeps } from './supervisor/session.ts';
import { type SupervisionLimits, usualLimits } from './supervisor/limits.ts';
import { createStarts } from './supervisor/starts.ts';

/** Keeps the instances that should run running: one session each, restarted with growing pauses. */
export interface Supervisor {
  /** Starts the session of an instance; one that waits for its next attempt starts now. */
  start(instance: Instance): void;
  /** Starts the session of an instance as it was left: a pause that was not over goes on. Resolves when its state is written. */
  resume(instance: Instance): Promise<void>;
  /** Ends the session; the login stays. */
  stop(instanceId: string): Promise<void>;
  /** Unlinks the device from the phone, ends the session and removes the profile. */
  logout(instanceId: string): Promise<void>;
  /** Returns the client of an instance that is ready. @throws GatewayError instance_not_ready */
  client(instanceId: string): WhatsAppClient;
  /** Returns the client of an instance that has a browser, whatever its state: it may not answer. Null when there is none. */
  anyClient(instanceId: string): WhatsAppClient | null;
  /** Returns the QR code that is shown now. */
  qr(instanceId: string): { code: string; expiresAt: number } | null;
  /** Returns a code to type on the phone, `ABCDEFGH`. @throws GatewayError instance_not_ready when no link can be made now */
  pairingCode(instanceId: string, phone: string): Promise<string>;
  /** Returns the last measured memory of the browser, null when there is none. */
  memory(instanceId: string): (BrowserMemory & { measuredAt: number }) | null;
  close(): Promise<void>;
}

interface SupervisorDeps extends Omit<SessionDeps, 'starts' | 'limits' | 'blocked' | 'memoryLimitBytes'> {
  /** Hears that WhatsApp has blocked a number. */
  blocked?(instanceId: string): Promise<void>;
  startConcurrency: number;
  /** Pause between two starts. */
  startStaggerMs?: number;
  memoryLimitBytes?: number | null;
  limits?: Partial<SupervisionLimits>;
}

/** Returns the supervisor over all sessions of this gateway. */
export function createSupervisor(deps: SupervisorDeps): Supervisor {
  const { outbox, profiles, profilesDir, clock, log } = deps;
  const sessions = new Map<string, Session>();
  /** Instances to be started when their session has ended, unless they are stopped before. */
  const awaited = new Set<string>();
  const limits = { ...usualLimits, ...deps.limits };
  let isClosed = false;
  const sessionDeps: SessionDeps = {
    ...deps,
    blocked: deps.blocked ?? (async () => undefined),
    memoryLimitBytes: deps.memoryLimitBytes ?? null,
    starts: createStarts({ concurrency: deps.startConcurrency, staggerMs: deps.startStaggerMs ?? 0, clock }),
    limits,
  };
  const timer = setInterval(() => {
    for (const session of sessions.values()) session.beat();
  }, limits.beatMs);
  timer.unref();

  async function resume(instance: Instance): Promise<void> {
    if (sessions.has(instance.id)) return;
    const session = createSession(instance, sessionDeps);
    sessions.set(instance.id, session);
    void session.done.finally(() => sessions.delete(instance.id));
    await session.standing.written();
  }

  function start(instance: Instance): void {
    const running = sessions.get(instance.id);
    if (running && !running.isEnding) return running.wake();
    if (running) {
      awaited.add(instance.id);
      void running.done.then(() => startLater(instance.id));
    } else void resume({ ...instance, attempts: 0, nextAttemptAt: null });
  }

  /** After the session before it has ended; it may not be wanted any more by then. */
  async function startLater(instanceId: string): Promise<void> {
    try {
      const instance = await deps.instance(instanceId);
      if (awaited.delete(instanceId) && instance?.desiredState === 'run' && !isClosed) start(instance);
    } catch (error) {
      log.error({ instance: instanceId, error: reasonOf(error) }, 'the instance could not be started');
    }
  }

  async function stop(instanceId: string): Promise<void> {
    awaited.delete(instanceId);
    await sessions.get(instanceId)?.stop();
  }

  async function logout(instanceId: string): Promise<void> {
    awaited.delete(instanceId);
    await sessions.get(instanceId)?.stop(async ({ client, readyAt }) => {
      if (readyAt === null) return;
      // What the page has sent by then is known; what it was not handed waits for the next link.
      await outbox.drain(instanceId, limits.logoutDrainMs);
      await client
        .logout()
        .catch((error: unknown) =>
          log.warn({ instance: instanceId, error: reasonOf(error) }, 'the phone was not told of the logout'),
        );
    });
    await profiles.remove(join(profilesDir, instanceId));
    await outbox.abandon(instanceId, 'profile_lost');
  }

  function client(instanceId: string): WhatsAppClient {
    const session = sessions.get(instanceId);
    if (!session?.life || session.standing.state !== 'ready')
      throw new GatewayError(
        'instance_not_ready',
        `Instance ${instanceId} is not connected to WhatsApp (${how(session)})`,
        { retryAfterSeconds: 10 },
      );
    return session.life.client;
  }

  async function pairingCode(instanceId: string, phone: string): Promise<string> {
    const session = sessions.get(instanceId);
    if (!session?.life || !['qr', 'pairing'].includes(session.standing.state))
      throw new GatewayError(
        'instance_not_ready',
        `Instance ${instanceId} is not waiting to be linked (${how(session)})`,
      );
    const code = await session.life.client.requestPairingCode(phone);
    await session.life?.codeAsked();
    return code;
  }

  return {
    start,
    resume,
    stop,
    logout,
    client,
    anyClient: (instanceId) => sessions.get(instanceId)?.life?.client ?? null,
    qr: (instanceId) => sessions.get(instanceId)?.life?.qr ?? null,
    pairingCode,
    memory: (instanceId) => sessions.get(instanceId)?.life?.memory ?? null,
    async close() {
      isClosed = true;
      clearInterval(timer);
      await Promise.all([...sessions.values()].map((session) => session.stop()));
    },
  };
}

/** Says in what state an instance is, with its reason. */
function how(session: Session | undefined): string {
  if (!session) return 'it is not started';
  const { state, reason } = session.standing;
  return `it is ${state}${reason === null ? '' : `: ${reason}`}`;
}
