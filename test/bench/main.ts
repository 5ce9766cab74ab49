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
      'Webhook deliveries (bursts of 1,000 messages to one receiver in its own process, in turn with a bare loop)',
      ['', 'per second', 'bare loop', '×', 'CPU µs each', 'bare loop µs', 'lost', 'twice', 'chats out of order'],
      results.map((r) => [
        r.engine,
        r.deliveriesPerSecond,
        r.bareLoopPerSecond,
        r.deliveriesPerSecond / r.bareLoopPerSecond,
        r.cpuUs,
        r.bareLoopCpuUs,
        r.lost,
        r.doubled,
        r.disordered,
      ]),
    );
    const backlogs = [await benchBacklog({ engine: 'sqlite' }), await benchBacklog({ engine: 'mysql' })];
    printTable(
      'Webhook backlog (the first 5,000 deliveries of a fresh process, with no others and with 100,000 behind them)',
      ['', 'per second', 'bare loop', '×', 'ms to the first', 'MiB before', 'MiB most', 'with 100,000: before', 'most'],
      backlogs.map(({ engine, small, large }) => [
        engine,
        large.perSecond,
        large.bareLoopPerSecond,
        large.perSecond / large.bareLoopPerSecond,
        large.firstMs,
        small.idleRssMib,
        small.mostRssMib,
        large.idleRssMib,
        large.mostRssMib,
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
