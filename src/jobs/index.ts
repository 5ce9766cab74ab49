import { schedule } from 'node-cron';
import type { Logger } from 'pino';
import { reasonOf } from '../model/errors.ts';
import type { Clock } from '../model/time.ts';

/** A thing done by the clock: when, as a cron expression (with seconds), and what. */
export interface Job {
  name: string;
  schedule: string;
  run(): Promise<unknown>;
}

export interface Jobs {
  stop(): Promise<void>;
}

const dayMs = 86_400_000;

/** Returns the gateway's jobs, one row each. */
export function gatewayJobs(deps: {
  outbox: { tick(): Promise<void> };
  supervisor: { tick(): Promise<void> };
  campaigns: { tick(): Promise<void>; inspect(): Promise<void>; prune(): Promise<void> };
  webhooks: { prune(): Promise<unknown> };
  media: { prune(now: number): Promise<unknown> };
  idempotency: { prune(before: number): Promise<void> };
  clock: Clock;
}): Job[] {
  const { outbox, supervisor, campaigns, webhooks, media, idempotency, clock } = deps;
  return [
    { name: 'late messages', schedule: '*/5 * * * * *', run: () => outbox.tick() },
    { name: 'liveness', schedule: '30 * * * * *', run: () => supervisor.tick() },
    { name: 'campaigns', schedule: '*/2 * * * * *', run: () => campaigns.tick() },
    { name: 'restrictions', schedule: '0 29 * * * *', run: () => campaigns.inspect() },
    { name: 'old campaigns', schedule: '0 7 * * * *', run: () => campaigns.prune() },
    { name: 'old webhooks', schedule: '0 29 * * * *', run: () => webhooks.prune() },
    { name: 'old media', schedule: '0 17 * * * *', run: () => media.prune(clock.now()) },
    { name: 'old idempotency keys', schedule: '0 41 * * * *', run: () => idempotency.prune(clock.now() - dayMs) },
  ];
}

/** Starts the jobs; a run that takes longer than its interval is not overlapped, and a failed run is logged and tried again at the next. */
export function startJobs(jobs: Job[], log: Logger): Jobs {
  const running = new Map<string, Promise<void>>();

  async function once(job: Job): Promise<void> {
    try {
      await job.run();
    } catch (error) {
      log.error({ job: job.name, error: reasonOf(error) }, 'job failed');
    } finally {
      running.delete(job.name);
    }
  }

  const tasks = jobs.map((job) =>
    schedule(job.schedule, () => {
      if (!running.has(job.name)) running.set(job.name, once(job));
    }),
  );

  return {
    async stop() {
      for (const task of tasks) await task.destroy();
      await Promise.all(running.values());
    },
  };
}
