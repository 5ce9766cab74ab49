import { resolve } from 'node:path';
import type { Logger } from 'pino';
import { reasonOf } from '../model/errors.ts';
import { type Clock, withTimeout } from '../model/time.ts';
import type { GatewayClaimStore, HeldClaim } from '../store/gateway-claim.ts';
import { livesHere, type LockOwner, thisProcess } from '../whatsapp/chromium/lock.ts';

/** The claim of one gateway on its database. */
interface DatabaseClaim {
  /** Refuses while another gateway works on it; a schema without a place for claims refuses nobody. @throws Error that names who has it */
  assertFree(): Promise<void>;
  /** Takes it, and keeps it until it is released. @throws Error that names who has it */
  take(): Promise<void>;
  release(): Promise<void>;
}

interface DatabaseClaimDeps {
  store: GatewayClaimStore;
  /** ULID of this run. */
  holder: string;
  dataDir: string;
  owner?: LockOwner;
  beatMs?: number;
  /** Hears that another gateway has taken it: this one must end. */
  lost(): void;
  clock: Pick<Clock, 'sleep'>;
  log: Logger;
}

const usualBeatMs = 5_000;
const missedBeats = 3;
const releaseTimeoutMs = 2_000;

/**
 * Returns the claim on a database. Two gateways on one would tell every webhook twice, and each take the other's numbers for unlinked or,
 * on copies of one data folder, send everything twice. A dead holder's claim is taken over: at once where its process is seen to be
 * gone, else when it has not been touched for 15 s.
 */
export function createDatabaseClaim(deps: DatabaseClaimDeps): DatabaseClaim {
  const { store, holder, clock, log, beatMs = usualBeatMs } = deps;
  const self = deps.owner ?? thisProcess();
  const dataDir = resolve(deps.dataDir);
  let timer: NodeJS.Timeout | null = null;

  /** Returns the claim of a dead gateway, null when there is none. @throws Error while a living one has it */
  async function leftBehind(): Promise<HeldClaim | null> {
    const first = await store.read();
    const startedAt = performance.now();
    for (let seen = first; seen; seen = await store.read()) {
      const owner = JSON.parse(seen.owner) as LockOwner & { dataDir: string };
      const lives = livesHere(owner, self);
      // Whoever had this folder on this machine before has given it up: we hold its lock.
      if (lives === false || (lives && owner.dataDir === dataDir)) return seen;
      if (lives || seen.holder !== first?.holder || seen.beatAt !== first.beatAt) throw refusal(owner);
      if (Math.max(seen.ageMs, performance.now() - startedAt) > missedBeats * beatMs) return seen;
      await clock.sleep(Math.min(200, beatMs));
    }
    return null;
  }

  async function beat(): Promise<void> {
    // A missed beat is made up by the next one.
    const isMine = await store.beat(holder).catch(() => true);
    if (isMine || !timer) return;
    clearInterval(timer);
    timer = null;
    log.error('another gateway has taken the database: this one ends');
    deps.lost();
  }

  return {
    assertFree: async () => void (await leftBehind()),

    async take() {
      const owner = JSON.stringify({ ...self, dataDir });
      // Who loses the race looks again, and finds the winner.
      while (!(await store.take({ holder, owner }, await leftBehind())));
      timer = setInterval(() => void beat(), beatMs);
      timer.unref();
    },

    async release() {
      if (!timer) return;
      clearInterval(timer);
      timer = null;
      await withTimeout(store.release(holder), releaseTimeoutMs, 'the database does not answer').catch(
        (error: unknown) =>
          log.warn({ error: reasonOf(error) }, 'the database was not given free: the next start may wait 15 s'),
      );
    },
  };
}

function refusal({ pid, host, dataDir }: LockOwner & { dataDir: string }): Error {
  return new Error(
    `Another gateway (process ${pid} on ${host}, data folder ${dataDir}) uses this database: stop it first, or set another DATABASE_URL`,
  );
}
