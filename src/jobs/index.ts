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

/** Jobs that run. */
export interface Jobs {
  /** Resolves when what runs now has ended. */
  stop(): Promise<void>;
}

const dayMs = 86_400_000;

/** What the jobs drive. */
export interface JobDeps {
  outbox: { tick(): Promise<void> };
  messages: { prune(): Promise<unknown> };
  campaigns: { tick(): Promise<void>; inspect(): Promise<void>; prune(): Promise<void> };
  webhooks: { prune(): Promise<unknown> };
  missing: { tick(): Promise<void> };
  media: { prune(now: number): Promise<unknown> };
  idempotency: { prune(): Promise<void> };
  audit: { prune(beforeAt: number): Promise<unknown> };
  auditRetentionDays: number;
  history: { prune(): Promise<unknown> };
  /** Null: pages are not recorded by themselves. */
  recorder: { tick(): Promise<void> } | null;
  clock: Clock;
}

/** Returns the gateway's jobs, one row each. */
export function gatewayJobs(deps: JobDeps): Job[] {
  const { outbox, messages, campaigns, webhooks, media, idempotency, audit, clock } = deps;
  return [
    { name: 'late messages', schedule: '*/5 * * * * *', run: () => outbox.tick() },
    { name: 'campaigns', schedule: '*/2 * * * * *', run: () => campaigns.tick() },
    { name: 'restrictions', schedule: '0 29 * * * *', run: () => campaigns.inspect() },
    { name: 'old campaigns', schedule: '0 7 * * * *', run: () => campaigns.prune() },
    { name: 'old messages', schedule: '20 */10 * * * *', run: () => messages.prune() },
    { name: 'old webhooks', schedule: '0 29 * * * *', run: () => webhooks.prune() },
    { name: 'missing files', schedule: '23 * * * * *', run: () => deps.missing.tick() },
    { name: 'old media', schedule: '0 17 * * * *', run: () => media.prune(clock.now()) },
    { name: 'old idempotency keys', schedule: '0 41 * * * *', run: () => idempotency.prune() },
    ...(deps.recorder ? [{ name: 'web pages', schedule: '45 * * * * *', run: deps.recorder.tick }] : []),
    { name: 'old instance history', schedule: '0 11 * * * *', run: () => deps.history.prune() },
    {
      name: 'old audit entries',
      schedule: '0 53 * * * *',
      run: () => audit.prune(clock.now() - deps.auditRetentionDays * dayMs),
    },
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
