/** One metric: what it counts, and by which labels. Every label has a closed set of values, or one for each instance. */
interface MetricRow {
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels: readonly string[];
  /** Upper bounds in the metric's unit. */
  buckets?: readonly number[];
}

/** What every name begins with. */
export const metricPrefix = 'wapbridge_';

/**
 * The gateway's own metrics, by name without the prefix; those of the process and of Node.js come beside them under
 * prom-client's usual names. Gauges are read when somebody asks; counters and histograms begin with the process.
 */
export const metricTable = {
  build_info: { type: 'gauge', labels: ['version'], help: '1, with the version of the gateway' },
  database_up: {
    type: 'gauge',
    labels: [],
    help: '1 when the database answered this scrape, else 0 and what it knows is absent',
  },
  scrape_seconds: { type: 'gauge', labels: [], help: 'Time that reading the gauges took, in seconds' },
  data_dir_free_bytes: { type: 'gauge', labels: [], help: 'Free space on the disk of DATA_DIR' },

  instances: { type: 'gauge', labels: ['state'], help: 'Instances by state' },
  instance_ready: {
    type: 'gauge',
    labels: ['instance'],
    help: '1 when an instance that should run is ready, else 0; stopped ones are absent',
  },
  instance_last_ready_timestamp_seconds: {
    type: 'gauge',
    labels: ['instance'],
    help: 'When it last became ready, Unix time',
  },
  instance_last_received_timestamp_seconds: {
    type: 'gauge',
    labels: ['instance'],
    help: 'When the newest message that reached it was written, Unix time',
  },
  instance_attempts: {
    type: 'gauge',
    labels: ['instance'],
    help: 'Starts in a row that did not lead to five steady minutes',
  },
  instance_feature_missing: {
    type: 'gauge',
    labels: ['instance', 'feature'],
    help: '1 for each feature that its page of WhatsApp Web was found to lack',
  },
  instance_memory_bytes: {
    type: 'gauge',
    labels: ['instance', 'kind'],
    help: 'Memory of its browser with all processes, measured every minute: pss (shared pages in part) and rss',
  },
  browser_ends_total: {
    type: 'counter',
    labels: ['cause'],
    help: 'Browsers that ended, by cause: stopped, unlinked, recycled (planned), login_lost, closed (gone by itself), silent, stuck, or the code of what a person has to do',
  },
  instance_changes_total: {
    type: 'counter',
    labels: ['state'],
    help: 'Changes of state of instances, by the new state',
  },

  messages_ended_total: {
    type: 'counter',
    labels: ['type', 'result'],
    help: 'Outgoing messages by content and by how sending ended: accepted (stored by WhatsApp Web), failed, uncertain, cancelled',
  },
  message_status_total: {
    type: 'counter',
    labels: ['state'],
    help: 'Changes of outgoing messages by the new state; acks that came together count once, as the highest',
  },
  messages_received_total: { type: 'counter', labels: [], help: 'Messages that arrived and were announced' },
  send_seconds: {
    type: 'histogram',
    labels: [],
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600],
    help: 'From the moment a message was due until WhatsApp Web had stored it, waiting included',
  },
  queue_messages: {
    type: 'gauge',
    labels: ['instance'],
    help: 'Messages that wait to be sent; 10000 means at least so many',
  },
  scheduled_messages: {
    type: 'gauge',
    labels: ['instance'],
    help: 'Messages that wait for their `send_at`; 10000 means at least so many',
  },
  queue_oldest_seconds: {
    type: 'gauge',
    labels: ['instance'],
    help: 'How long the one that waits longest could have been sent, 0 without any',
  },

  campaigns: { type: 'gauge', labels: ['state'], help: 'Campaigns by state' },
  campaign_recipients_waiting: {
    type: 'gauge',
    labels: [],
    help: 'Recipients that running campaigns have still to serve',
  },

  webhook_attempts_total: {
    type: 'counter',
    labels: ['result'],
    help: 'HTTP requests to webhook receivers by answer: 2xx, 3xx, 4xx, 5xx, none',
  },
  webhook_attempt_seconds: {
    type: 'histogram',
    labels: [],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30],
    help: 'Time of those requests',
  },
  webhook_deliveries_total: {
    type: 'counter',
    labels: ['result'],
    help: 'Deliveries by what an attempt came to: delivered, retry, failed (for good)',
  },
  webhook_waiting: {
    type: 'gauge',
    labels: ['state'],
    help: 'Deliveries that wait: pending (never tried), retry; at most 10000 of each receiver are counted',
  },
  webhook_oldest_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Age of the oldest event that a receiver still has to get, 0 without any',
  },
  webhook_endpoints: {
    type: 'gauge',
    labels: ['state'],
    help: 'Webhook receivers: working, failing, open (left alone for now), disabled',
  },

  http_requests_total: {
    type: 'counter',
    labels: ['route', 'status'],
    help: 'API calls; status 429 are refusals of the rate limiter',
  },
  http_request_seconds: {
    type: 'histogram',
    labels: ['route'],
    buckets: [0.005, 0.025, 0.1, 0.5, 2.5, 15],
    help: 'Time of API calls; a send may wait for WhatsApp Web',
  },
  database_transaction_seconds: {
    type: 'histogram',
    labels: [],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    help: 'Time of database transactions, waiting for a connection included',
  },
} as const satisfies Record<string, MetricRow>;

/** The name of a metric, without the prefix. */
export type MetricName = keyof typeof metricTable;

/** Returns the metrics as a Markdown table, as the README holds it. */
export function metricsTable(): string {
  const rows = Object.entries<MetricRow>(metricTable).map(
    ([name, { type, labels, help }]) => `| \`${metricPrefix}${name}\` | ${type} | ${labels.join(', ')} | ${help} |`,
  );
  return ['| metric | type | labels | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
