import type { Logger } from 'pino';
import { campaignStates } from '../../model/campaign.ts';
import { reasonOf } from '../../model/errors.ts';
import { instanceStates } from '../../model/instance.ts';
import type { Clock } from '../../model/time.ts';
import type { InstanceStat, StatsStore } from '../../store/stats.ts';
import type { BrowserMemory } from '../../whatsapp/client.ts';
import { type MetricName, metricTable } from './catalogue.ts';
import type { MetricSet } from './registry.ts';

/** What the gauges are read from. */
export interface GaugeSources {
  stats: StatsStore;
  /** Returns the last measured memory of an instance's browser, null when there is none. */
  memory(instanceId: string): BrowserMemory | null;
  /** Free bytes on the disk of the data folder. */
  freeBytes(): Promise<number>;
  version: string;
  clock: Pick<Clock, 'now'>;
  log: Logger;
}

/** Returns what reads every gauge anew. A part that cannot be read is absent then, never old; the others are there. */
export function createGauges({
  stats,
  memory,
  freeBytes,
  version,
  clock,
  log,
  metrics,
}: GaugeSources & { metrics: MetricSet }): () => Promise<void> {
  metrics.build_info.set({ version }, 1);

  async function readDatabase(): Promise<void> {
    const now = clock.now();
    const instances = await stats.instances();
    const [queues, campaigns, webhooks] = await Promise.all([
      stats.queues(instances.map(({ id }) => id)),
      stats.campaigns(),
      stats.webhooks(now),
    ]);
    setInstances(instances);
    for (const { instanceId, count, scheduled, oldestAt } of queues) {
      metrics.queue_messages.set({ instance: instanceId }, count);
      metrics.scheduled_messages.set({ instance: instanceId }, scheduled);
      metrics.queue_oldest_seconds.set({ instance: instanceId }, secondsSince(oldestAt, now));
    }
    for (const state of campaignStates) metrics.campaigns.set({ state }, campaigns.byState[state] ?? 0);
    metrics.campaign_recipients_waiting.set(campaigns.waiting);
    for (const [state, count] of Object.entries(webhooks.endpoints)) metrics.webhook_endpoints.set({ state }, count);
    for (const [state, count] of Object.entries(webhooks.waiting)) metrics.webhook_waiting.set({ state }, count);
    metrics.webhook_oldest_seconds.set(secondsSince(webhooks.oldestAt, now));
  }

  function setInstances(instances: readonly InstanceStat[]): void {
    for (const state of instanceStates)
      metrics.instances.set({ state }, instances.filter((instance) => instance.state === state).length);
    for (const { id, state, desiredState, attempts, lastReadyAt, lastEventAt, missingFeatures } of instances) {
      const labels = { instance: id };
      metrics.instance_attempts.set(labels, attempts);
      for (const feature of missingFeatures) metrics.instance_feature_missing.set({ ...labels, feature }, 1);
      const used = memory(id);
      if (used) {
        metrics.instance_memory_bytes.set({ ...labels, kind: 'pss' }, used.pssBytes);
        metrics.instance_memory_bytes.set({ ...labels, kind: 'rss' }, used.rssBytes);
      }
      if (desiredState === 'run') metrics.instance_ready.set(labels, state === 'ready' ? 1 : 0);
      if (lastReadyAt !== null) metrics.instance_last_ready_timestamp_seconds.set(labels, lastReadyAt / 1000);
      if (lastEventAt !== null) metrics.instance_last_received_timestamp_seconds.set(labels, lastEventAt / 1000);
    }
  }

  return async () => {
    const startedAt = performance.now();
    for (const name of ofDatabase) clear(name);
    const answers = await readDatabase().then(
      () => 1,
      (error: unknown) => {
        log.warn({ error: reasonOf(error) }, 'metrics could not be read from the database');
        return 0;
      },
    );
    metrics.database_up.set(answers);
    const bytes = await freeBytes().catch(() => null);
    if (bytes !== null) metrics.data_dir_free_bytes.set(bytes);
    metrics.scrape_seconds.set((performance.now() - startedAt) / 1000);
  };

  /** A gauge without labels is 0 after a reset: it has to be taken out. */
  function clear(name: (typeof ofDatabase)[number]): void {
    metrics[name].reset();
    if (metricTable[name].labels.length === 0) metrics[name].remove();
  }
}

const ofDatabase = [
  'instances',
  'instance_ready',
  'instance_attempts',
  'instance_feature_missing',
  'instance_memory_bytes',
  'instance_last_ready_timestamp_seconds',
  'instance_last_received_timestamp_seconds',
  'queue_messages',
  'queue_oldest_seconds',
  'scheduled_messages',
  'campaigns',
  'campaign_recipients_waiting',
  'webhook_endpoints',
  'webhook_waiting',
  'webhook_oldest_seconds',
] as const satisfies MetricName[];

function secondsSince(at: number | null, now: number): number {
  return at === null ? 0 : Math.max(0, now - at) / 1000;
}
