import { join } from 'node:path';
import { reasonOf } from '../../model/errors.ts';
import type { Instance } from '../../model/instance.ts';
import { steadyTime } from '../../model/time.ts';
import type { ProfileKeeper } from '../../whatsapp/client.ts';
import type { ChangeState } from '../instance-states.ts';
import type { Slots } from '../../model/slots.ts';
import { backoffMs, stableMs } from './backoff.ts';
import type { End } from './end.ts';
import { beginLife, type Life, type LifeParts } from './life.ts';
import { type PastLives, type Remedy, remedyAfter, suspiciousLaunches } from './remedy.ts';
import { createStanding, type Standing } from './standing.ts';

/** What a session needs beside its instance. */
export interface SessionDeps extends LifeParts {
  changeState: ChangeState;
  /** Returns the instance as it is now. */
  instance(instanceId: string): Promise<Instance | null>;
  openSecret(sealed: string): string;
  /** Hears why a browser ended. */
  ended?(end: End): void;
  profiles: ProfileKeeper;
  profilesDir: string;
  starts: Pick<Slots, 'take'>;
  /** A planned restart frees the memory of a browser above this, bytes; null for never. */
  memoryLimitBytes: number | null;
  random: () => number;
}

/** An instance that should run: one browser after another until it is stopped or unlinked. */
export interface Session {
  readonly standing: Standing;
  /** The browser of now. */
  readonly life: Life | null;
  /** It was told to end, or the phone has unlinked it: whoever wants it to run needs a new session. */
  readonly isEnding: boolean;
  /** Resolves when the session has ended. */
  readonly done: Promise<void>;
  /** A person wants it to run now: no pause, past failures forgotten, no politeness towards another WhatsApp Web. */
  wake(): void;
  beat(): void;
  /** Ends it; `unlink` is done to its browser before, and whatever comes of that is told by the caller. */
  stop(unlink?: (life: Life) => Promise<void>): Promise<void>;
}

/** Every so many failures in a row the log says so as an error. */
const alertEvery = 5;

/** Returns a session, which begins at once. */
export function createSession(instance: Instance, deps: SessionDeps): Session {
  const { outbox, profiles, starts, limits, clock, random, log } = deps;
  const { id } = instance;
  const profileDir = join(deps.profilesDir, id);
  const time = steadyTime(clock);
  const standing = createStanding({
    instance,
    changeState: deps.changeState,
    retryMs: limits.writeRetryMs,
    time,
    log,
  });
  const abort = new AbortController();
  const past: Omit<PastLives, 'isLinked'> = { stuckLogins: 0, failedLaunches: 0 };
  let alarm = new AbortController();
  let life: Life | null = null;
  let isRecycling = false;
  let isRestored = false;
  let isUnlinked = false;

  async function run(): Promise<void> {
    // Without a pause the first change is made before anybody else has a turn.
    if ((standing.nextAttemptAt ?? 0) > clock.now()) await pauseUntil(standing.nextAttemptAt);
    while (!abort.signal.aborted) {
      const end = await live();
      if (abort.signal.aborted) return;
      if (!(await goOn(end))) return;
    }
  }

  async function pauseUntil(at: number | null): Promise<void> {
    const pauseMs = at === null ? 0 : Math.min(at - clock.now(), 2 * stableMs);
    if (pauseMs <= 0) return;
    await clock.sleep(pauseMs, AbortSignal.any([abort.signal, alarm.signal])).catch(() => undefined);
  }

  /** From the start of a browser to its end. */
  async function live(): Promise<End> {
    // Also while it waits in line: what the row says is from a browser that is gone.
    void standing.happened('launched', { patch: { nextAttemptAt: null } });
    const release = await starts.take(abort.signal);
    if (!release) return { kind: 'stopped' };
    try {
      const row = (await deps.instance(id)) ?? instance;
      if (abort.signal.aborted) return { kind: 'stopped' };
      const current = beginLife({
        ...deps,
        time,
        instanceId: id,
        options: {
          profileDir,
          proxyUrl: row.proxySealed === null ? null : deps.openSecret(row.proxySealed),
          userAgent: row.userAgent,
        },
        conflictPolicy: async () => (await deps.instance(id))?.onConflict ?? 'wait',
        standing,
        started: release,
      });
      life = current;
      const { end, isClean } = await current.over;
      deps.ended?.(end);
      await remember(end);
      const isGood = isClean && standing.state === 'ready' && (end.kind === 'stopped' || end.kind === 'recycled');
      if (isGood) await keepCopy();
      return end;
    } catch (error) {
      return { kind: 'closed', reason: reasonOf(error) };
    } finally {
      release();
      life = null;
    }
  }

  async function remember(end: End): Promise<void> {
    const isStuckLogin = end.kind === 'closed' && end.stuckIn === 'authenticating';
    const isFailedLaunch = end.kind === 'closed' && end.code === 'browser_failed';
    past.stuckLogins = isStuckLogin ? past.stuckLogins + 1 : 0;
    past.failedLaunches = isFailedLaunch ? past.failedLaunches + 1 : 0;
    if (past.failedLaunches >= suspiciousLaunches && !(await profiles.browserWorks())) past.failedLaunches = 0;
  }

  async function keepCopy(): Promise<void> {
    await profiles
      .keepCopy(profileDir)
      .catch((error: unknown) =>
        log.error({ instance: id, error: reasonOf(error) }, 'no copy of the profile was kept'),
      );
  }

  const remedies: Record<Remedy, (end: End) => Promise<boolean>> = {
    async forget() {
      isUnlinked = true;
      await profiles.remove(profileDir);
      await outbox.abandon(id, 'profile_lost');
      await standing.happened('unlinked', { code: 'scan_again', patch: { linkedAt: null, attempts: 0 } });
      return false;
    },
    at_once: async () => true,
    async wait(end) {
      await failed(end);
      return true;
    },
    async restore(end) {
      past.failedLaunches = 0;
      isRestored = await profiles.restore(profileDir);
      if (isRestored) {
        log.warn({ instance: id, end }, 'the browser profile was damaged: its last good copy is used');
        await outbox.doubt(id);
        await standing.happened('ended', { reason: 'The browser profile was damaged: its last good copy is used' });
      } else if (end.kind === 'login_lost') {
        log.warn({ instance: id }, 'the login is lost, and there is no copy of the profile');
        await outbox.doubt(id);
        await standing.note({ linkedAt: null });
      } else await failed(end);
      return true;
    },
    async wipe(end) {
      log.warn({ instance: id, end }, 'the new link does not get ready: beginning again with an empty profile');
      past.stuckLogins = 0;
      await profiles.remove(profileDir);
      return true;
    },
  };

  async function goOn(end: End): Promise<boolean> {
    const remedy = remedyAfter(end, { ...past, isLinked: standing.linkedAt !== null });
    try {
      return await remedies[remedy](end);
    } catch (error) {
      log.error({ instance: id, remedy, error: reasonOf(error) }, 'the remedy did not work');
      await failed({ kind: 'closed', reason: reasonOf(error) });
      return !abort.signal.aborted;
    }
  }

  /** Says what went wrong, and waits. */
  async function failed(end: End): Promise<void> {
    const reason = end.kind === 'closed' ? end.reason : 'The browser has ended';
    const code = end.kind === 'closed' ? end.code : undefined;
    const attempts = standing.attempts + 1;
    const pauseMs = backoffMs({ failures: attempts, firstMs: limits.firstPauseMs, random });
    const nextAttemptAt = clock.now() + pauseMs;
    const level = attempts % alertEvery === 0 ? 'error' : 'warn';
    log[level]({ instance: id, reason, code, attempts, retryInMs: pauseMs }, 'instance ended');
    await standing.happened(code ? 'action' : 'ended', {
      reason,
      ...(code ? { code } : {}),
      patch: { attempts, nextAttemptAt },
    });
    await pauseUntil(nextAttemptAt);
  }

  // ---- time ----

  function beat(): void {
    const now = time();
    life?.beat();
    if (!life || life.readyAt === null) return;
    if (isRestored && standing.state === 'ready') restoreHelped();
    const isSteady = standing.state === 'ready' && now - standing.since >= stableMs;
    if (standing.attempts > 0 && isSteady) void standing.note({ attempts: 0 });
    const { memory } = life;
    const isLarge = memory !== null && deps.memoryLimitBytes !== null && memory.pssBytes > deps.memoryLimitBytes;
    if (isLarge && now - life.readyAt >= limits.recycleAfterMs && !isRecycling) void recycle(life, memory.pssBytes);
  }

  function restoreHelped(): void {
    isRestored = false;
    profiles
      .restoreHelped(profileDir)
      .catch((error: unknown) =>
        log.error({ instance: id, error: reasonOf(error) }, 'the copy of the profile cannot be used again'),
      );
  }

  /** Frees memory: what is on the way goes out first, what comes meanwhile waits, and the page catches up after. */
  async function recycle(old: Life, pssBytes: number): Promise<void> {
    isRecycling = true;
    try {
      const isDrained = await outbox.drain(id, limits.drainMs);
      log.info(
        { instance: id, pssMib: Math.round(pssBytes / 2 ** 20), isDrained },
        'planned restart of a large browser',
      );
      old.end({ kind: 'recycled', reason: 'planned restart to free memory' });
      await old.over;
    } finally {
      isRecycling = false;
    }
  }

  const done = run()
    .catch((error: unknown) => log.error({ instance: id, error: reasonOf(error) }, 'the session ended by an error'))
    // Who writes after the session finds everything of it written.
    .then(() => standing.written())
    .finally(standing.end);

  return {
    standing,
    get life() {
      return life;
    },
    get isEnding() {
      return isUnlinked || abort.signal.aborted;
    },
    done,
    wake() {
      void standing.note(life ? { attempts: 0 } : { attempts: 0, nextAttemptAt: null });
      alarm.abort();
      alarm = new AbortController();
      if (life && standing.actionCode === 'taken_over')
        life.client
          .takeover()
          .catch((error: unknown) => log.warn({ instance: id, error: reasonOf(error) }, 'the link was not taken back'));
    },
    beat,
    async stop(unlink) {
      abort.abort();
      if (life && unlink) await unlink(life);
      life?.end({ kind: unlink ? 'unlinked' : 'stopped' });
      await done;
    },
  };
}
