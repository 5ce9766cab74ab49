import { benchCampaigns } from './campaigns.ts';
import { benchInbound } from './inbound.ts';
import { benchInstances } from './instances.ts';
import { benchLimits } from './limits.ts';
import { benchSends } from './sends.ts';
import { printTable } from './measure.ts';
import { benchTap } from './tap.ts';
import { benchBacklog, benchIsolation } from './webhook-backlog.ts';
import { benchWebhooks } from './webhooks.ts';

/** `npm run bench -- NAME…`; all of them without a name. */
const benches: Record<string, () => Promise<void>> = {
  sends: benchSends,
  inbound: benchInbound,
  webhooks: async () => {
    const results = [await benchWebhooks({ engine: 'sqlite' }), await benchWebhooks({ engine: 'mysql' })];
    printTable(
      'Webhook deliveries (1,000 events, receiver in its own process)',
      ['', 'per second', 'bare undici loop', '×', 'lost', 'twice', 'chats out of order'],
      results.map((r) => [
        r.engine,
        r.deliveriesPerSecond,
        r.bareLoopPerSecond,
        r.deliveriesPerSecond / r.bareLoopPerSecond,
        r.lost,
        r.doubled,
        r.disordered,
      ]),
    );
    const backlogs = [await benchBacklog({ engine: 'sqlite' }), await benchBacklog({ engine: 'mysql' })];
    printTable(
      'Webhook backlog (100,000 deliveries that waited while the gateway was down)',
      ['', 'per second', 'bare undici loop', '×', 'ms to the first', 'MiB with 2,000', 'MiB with 100,000'],
      backlogs.map((r) => [
        r.engine,
        r.deliveriesPerSecond,
        r.bareLoopPerSecond,
        r.deliveriesPerSecond / r.bareLoopPerSecond,
        r.firstDeliveryMs,
        r.smallRssMib,
        r.largeRssMib,
      ]),
    );
    const isolations = [await benchIsolation({ engine: 'sqlite' }), await benchIsolation({ engine: 'mysql' })];
    printTable(
      'Webhook isolation (20 healthy endpoints, then beside one that hangs; each event to all of them)',
      ['', 'p99 ms alone', 'p99 ms beside', '×'],
      isolations.map((r) => [r.engine, r.p99AloneMs, r.p99BesideMs, r.p99BesideMs / r.p99AloneMs]),
    );
  },
  limits: benchLimits,
  instances: benchInstances,
  tap: benchTap,
  campaigns: benchCampaigns,
};

const names = process.argv.slice(2).filter((name) => !name.startsWith('-'));
const unknown = names.filter((name) => !benches[name]);
if (unknown.length > 0) {
  process.stderr.write(`There is no benchmark ${unknown.join(', ')}: choose from ${Object.keys(benches).join(', ')}\n`);
  process.exit(2);
}
for (const name of names.length > 0 ? names : Object.keys(benches)) await benches[name]!();
process.exit(0);
