import { access, constants } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../model/errors.ts';
import type { Database } from '../store/database.ts';
import type { StatsStore } from '../store/stats.ts';
import { freeBytes } from './disk.ts';

interface HealthDeps {
  database: Pick<Database, 'assertMigrated' | 'assertWritable'>;
  dataDir: string;
  minFreeBytes: number;
  /** Says why no browser starts, null while one runs or the last start went well. */
  browserProblem(): string | null;
}

/** A timer that is later than this means that requests wait as long. */
const latestMs = 1_000;

/** Returns what must hold for the gateway to take work: name → a question that rejects when it does not. */
export function createHealthChecks({ database, dataDir, minFreeBytes, browserProblem }: HealthDeps) {
  return {
    async database() {
      await database.assertMigrated();
      await database.assertWritable().catch((error: unknown) => {
        throw new GatewayError('unavailable', 'The database cannot be written', { cause: error });
      });
    },

    async disk() {
      await access(dataDir, constants.W_OK).catch((error: unknown) => {
        throw new GatewayError('unavailable', 'DATA_DIR cannot be written', { cause: error });
      });
      const free = await freeBytes(dataDir);
      if (free < minFreeBytes)
        throw new GatewayError('unavailable', `DATA_DIR has ${inMib(free)} MiB left, less than ${inMib(minFreeBytes)}`);
    },

    async event_loop() {
      const startedAt = performance.now();
      await sleep(10);
      const lateMs = Math.round(performance.now() - startedAt - 10);
      if (lateMs > latestMs) throw new GatewayError('unavailable', `The process is busy: timers are ${lateMs} ms late`);
    },

    async browser() {
      const problem = browserProblem();
      if (problem !== null) throw new GatewayError('unavailable', problem);
    },
  } satisfies Record<string, () => Promise<void>>;
}

/** Returns how many instances are in each state, and how many should be ready and are not. */
export async function countInstances(
  stats: Pick<StatsStore, 'instances'>,
): Promise<{ states: Record<string, number>; missing: number }> {
  const states: Record<string, number> = {};
  let missing = 0;
  for (const { state, desiredState } of await stats.instances()) {
    states[state] = (states[state] ?? 0) + 1;
    if (desiredState === 'run' && state !== 'ready') missing += 1;
  }
  return { states, missing };
}

function inMib(bytes: number): number {
  return Math.floor(bytes / 1024 / 1024);
}
