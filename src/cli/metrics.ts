import { metricsTable } from '../core/metrics/catalogue.ts';
import type { Command } from './command.ts';
import { gatewayUrl } from './gateway.ts';

/** `metrics`: what Prometheus would read now. */
export const metricsCommand: Command = {
  summary: 'Shows what the running gateway measures, as Prometheus reads it.',
  options: { markdown: { type: 'boolean', doc: 'The table of the README: what each metric means' } },
  async run(typed, context) {
    if (typed.flag('markdown')) context.print(metricsTable());
    else context.print(await readMetrics(context));
  },
};

async function readMetrics({ config, fetch, signal }: Parameters<Command['run']>[1]): Promise<string> {
  const { metricsToken, ...rest } = config();
  if (metricsToken === null) throw new Error('Metrics are off: set METRICS_TOKEN, here and for the gateway');
  const url = gatewayUrl(rest);
  const response = await fetch(`${url}/metrics`, {
    headers: { authorization: `Bearer ${metricsToken}` },
    signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
  }).catch((error: unknown) => {
    throw new Error(`No gateway answers at ${url}: start it with \`npm start\`, or set HOST and PORT as it has them.`, {
      cause: error,
    });
  });
  if (!response.ok) throw new Error(`The gateway at ${url} answered ${response.status}: it has another METRICS_TOKEN`);
  return (await response.text()).trimEnd();
}
