import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { type MetricName, metricPrefix, metricTable } from './catalogue.ts';

/** The gateway's metrics as objects, each of the kind that its row says. */
export type MetricSet = { [K in MetricName]: Kinds[(typeof metricTable)[K]['type']] };

interface Kinds {
  counter: Counter;
  gauge: Gauge;
  histogram: Histogram;
}

const kinds = { counter: Counter, gauge: Gauge, histogram: Histogram };

/** Returns the metrics of the table in a registry of their own, so that two gateways fit in one process. */
export function createRegistry(input: { withProcess: boolean }): { registry: Registry; metrics: MetricSet } {
  const registry = new Registry();
  if (input.withProcess) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 20 });
  const made = Object.entries(metricTable).map(([name, row]) => {
    const Kind = kinds[row.type] as new (configuration: object) => unknown;
    const metric = new Kind({
      name: metricPrefix + name,
      help: row.help,
      labelNames: row.labels,
      ...('buckets' in row && { buckets: row.buckets }),
      registers: [registry],
    });
    return [name, metric];
  });
  return { registry, metrics: Object.fromEntries(made) as MetricSet };
}
