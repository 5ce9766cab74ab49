import { eventTable } from '../model/events.ts';
import { type Command, columns, type Context, type OptionSpec, type Typed, UsageError } from './command.ts';
import { type Answer, withGateway } from './gateway.ts';

const instance: OptionSpec = {
  type: 'string',
  value: 'ID',
  doc: 'Of this instance only, instead of the whole account',
};

const pageOptions = {
  webhook: { type: 'string', value: 'ID', doc: 'Of this webhook only' },
  event: { type: 'string', value: 'LIST', doc: 'Of these events only, separated by commas' },
  since: { type: 'string', value: 'TIME', doc: 'From this time on, such as 2026-11-20T08:00:00Z' },
  before: { type: 'string', value: 'ID', doc: 'What stands before this one, for the next page' },
  limit: { type: 'string', value: 'N', doc: 'So many, 50 by default' },
} satisfies Record<string, OptionSpec>;

const endpointOptions = {
  title: { type: 'string', value: 'TEXT', doc: 'A name for people' },
  secret: {
    type: 'string',
    value: 'TEXT',
    doc: 'Sent as X-Wapbridge-Secret and used for the signature; the one before signs too for 24 h',
  },
  events: {
    type: 'string',
    value: 'LIST',
    doc: `Which events, separated by commas: ${Object.keys(eventTable).join(', ')} or all (default: message.received)`,
  },
  header: { type: 'string', value: 'LIST', doc: 'Headers sent beside: "Name: value", separated by line breaks or |' },
  ordered: { type: 'boolean', doc: 'One delivery at a time, in the order of events' },
  unordered: { type: 'boolean', doc: 'In order within each chat, the default' },
  'retry-seconds': {
    type: 'string',
    value: 'LIST',
    doc: 'When what failed is tried again, such as 5,300,1800; none for a single try, default for 5 s to 10 h',
  },
} satisfies Record<string, OptionSpec>;

/**
 * `webhook …`: where events go, what was delivered, and sending it again; done by the running gateway, which checks addresses and
 * uses changes at once.
 */
export const webhookCommands: Record<string, Command> = {
  set: {
    summary: 'Sets the address that events are posted to; an empty one ("") removes it.',
    args: ['url'],
    options: {
      secret: endpointOptions.secret,
      events: endpointOptions.events,
      instance,
    },
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const answer = await call('settings.set_webhook', {
          url: typed.arg('url'),
          secret: typed.text('secret'),
          events: eventsOf(typed),
          instance_id: typed.text('instance'),
        });
        show(answer, context);
      }),
  },

  get: {
    summary: 'Shows the webhook.',
    options: { instance },
    run: (typed, context) =>
      withGateway(context, async (call) =>
        show(await call('settings.get_webhook', { instance_id: typed.text('instance') }), context),
      ),
  },

  list: {
    summary: 'Lists the webhooks and how they are doing.',
    run: (_typed, context) =>
      withGateway(context, async (call) => {
        const found = rowsOf(await call('settings.list_webhooks'), 'webhooks');
        if (found.length === 0)
          context.warn('There is no webhook: make one with `npm run wapbridge -- webhook create`.');
        else
          printTable(
            context,
            ['webhook_id', 'state', 'url', 'events', 'instance_id', 'title', 'reason'],
            found.map((row) => ({ ...row, ...healthOf(row), events: someOf(row['events'] as string[]) })),
          );
      }),
  },

  create: {
    summary: 'Adds a webhook beside those that are there.',
    args: ['url'],
    options: { ...endpointOptions, instance },
    run(typed, context) {
      const params = { url: typed.arg('url'), instance_id: typed.text('instance'), ...changesOf(typed) };
      return withGateway(context, async (call) => showEndpoint(context, await call('settings.create_webhook', params)));
    },
  },

  update: {
    summary: 'Changes a webhook; what is not named stays as it is.',
    args: ['id'],
    options: {
      url: { type: 'string', value: 'URL', doc: 'Where to post events' },
      ...endpointOptions,
      enable: { type: 'boolean', doc: 'Starts it again and forgets past failures' },
      disable: { type: 'boolean', doc: 'Stops it' },
    },
    run(typed, context) {
      const params = {
        webhook_id: typed.arg('id'),
        url: typed.text('url'),
        ...changesOf(typed),
        ...either(typed, { enable: true, disable: false }, 'enabled'),
      };
      return withGateway(context, async (call) => showEndpoint(context, await call('settings.update_webhook', params)));
    },
  },

  delete: {
    summary: 'Removes a webhook with what waits for it and its history.',
    args: ['id'],
    run: (typed, context) =>
      withGateway(context, async (call) => {
        await call('settings.delete_webhook', { webhook_id: typed.arg('id') });
        context.print(`${typed.arg('id')} is removed.`);
      }),
  },

  test: {
    summary: 'Posts a sample to a webhook and shows the answer.',
    args: ['id'],
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const answer = await call('settings.test_webhook', { webhook_id: typed.arg('id') });
        printFields(context, answer);
        return answer.delivered === true ? 0 : 1;
      }),
  },

  deliveries: {
    summary: 'Lists deliveries, newest first.',
    options: {
      ...pageOptions,
      status: { type: 'string', value: 'LIST', doc: 'pending, retry, delivered, failed' },
    },
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const params = { ...pageOf(typed), status: typed.text('status')?.split(',') };
        const found = rowsOf(await call('settings.list_webhook_deliveries', params), 'deliveries');
        printTable(
          context,
          ['delivery_id', 'webhook_id', 'event', 'status', 'attempts', 'created_at', 'next_attempt_at'],
          found,
        );
      }),
  },

  attempts: {
    summary: 'Lists the HTTP tries with their answers, newest first.',
    options: {
      ...pageOptions,
      delivery: { type: 'string', value: 'ID', doc: 'Of this delivery only' },
      failed: { type: 'boolean', doc: 'Only those that were not answered by 2xx' },
    },
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const params = {
          ...pageOf(typed),
          delivery_id: typed.text('delivery'),
          ...(typed.flag('failed') && { failed: true }),
        };
        const found = rowsOf(await call('settings.list_webhook_attempts', params), 'attempts');
        printTable(context, ['at', 'delivery_id', 'attempt', 'http_status', 'duration_ms', 'error', 'response'], found);
      }),
  },

  resend: {
    summary: 'Sends one delivery again, with the same webhook-id.',
    args: ['delivery'],
    run: (typed, context) =>
      withGateway(context, async (call) =>
        printFields(context, await call('settings.resend_webhook_delivery', { delivery_id: typed.arg('delivery') })),
      ),
  },

  replay: {
    summary: 'Sends the past of a webhook again, since a time.',
    args: ['id', 'since'],
    options: {
      what: {
        type: 'string',
        value: 'WHAT',
        doc: 'failed (default): what failed for good; missing: what it wants and was never sent; all: everything',
      },
    },
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const params = { webhook_id: typed.arg('id'), since: typed.arg('since'), what: typed.text('what') };
        const answer = await call('settings.replay_webhook', params);
        context.print(`${String(answer.queued)} deliveries are on their way.`);
        if (answer.more === true) context.warn('There are more: run it again when these are done.');
      }),
  },
};

function show({ url, events, enabled, disabled_reason: reason }: Answer, { print, warn }: Context): void {
  if (typeof url !== 'string') {
    warn('There is no webhook: set one with `npm run wapbridge -- webhook set <url>`.');
    return;
  }
  print(`${url}\nevents: ${Array.isArray(events) ? events.join(', ') : '-'}`);
  if (enabled === false) warn(`It is disabled: ${String(reason)}. Set it again to enable it.`);
}

/** An empty schedule and none of its own would look alike. */
function showEndpoint(context: Context, { retry_seconds: retries, ...answer }: Answer): void {
  const inWords = Array.isArray(retries) ? retries.join(', ') || 'none' : 'default';
  printFields(context, { ...answer, retry_seconds: inWords });
}

/** Returns in a word how a webhook is doing, and why it is not well. */
function healthOf({ enabled, disabled_reason, failures_in_a_row, failing_since }: Record<string, unknown>): {
  state: string;
  reason: string | null;
} {
  if (enabled === false) return { state: 'disabled', reason: disabled_reason as string | null };
  if (!failing_since) return { state: 'working', reason: null };
  return { state: 'failing', reason: `${String(failures_in_a_row)} in a row since ${String(failing_since)}` };
}

const mostShown = 2;

/** A table has no room for all of them. */
function someOf(events: string[]): string {
  const more = events.length - mostShown;
  return `${events.slice(0, mostShown).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function eventsOf(typed: Typed): string[] | undefined {
  return typed
    .text('events')
    ?.split(',')
    .map((event) => event.trim());
}

function changesOf(typed: Typed): Record<string, unknown> {
  const headers = typed.text('header');
  return {
    title: typed.text('title'),
    secret: typed.text('secret'),
    events: eventsOf(typed),
    headers: headers === undefined ? undefined : headersOf(headers),
    ...either(typed, { ordered: true, unordered: false }, 'ordered'),
    retry_seconds: retriesOf(typed.text('retry-seconds')),
  };
}

/** @throws UsageError */
function retriesOf(text: string | undefined): number[] | null | undefined {
  if (text === undefined) return undefined;
  if (text === 'default') return null;
  if (text === 'none') return [];
  return text.split(',').map((part) => {
    if (!/^\s*\d+\s*$/.test(part)) throw new UsageError(`"${part}" is no number of seconds: write 5,300,1800`);
    return Number(part);
  });
}

/** @throws UsageError */
function headersOf(text: string): Record<string, string> {
  const lines = text.split(/[|\n]/).filter((line) => line.trim() !== '');
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf(':');
      if (at < 1) throw new UsageError(`"${line}" is no header: write "Name: value"`);
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}

/** Returns the setting that one of two flags stands for, nothing without both. @throws UsageError with both */
function either(typed: Typed, flags: Record<string, boolean>, name: string): Record<string, boolean> {
  const given = Object.entries(flags).filter(([flag]) => typed.flag(flag));
  if (given.length > 1) throw new UsageError(`--${given.map(([flag]) => flag).join(' and --')} cannot both be`);
  return given[0] ? { [name]: given[0][1] } : {};
}

function pageOf(typed: Typed): Record<string, unknown> {
  return {
    webhook_id: typed.text('webhook'),
    event: typed.text('event')?.split(','),
    since: typed.text('since'),
    before: typed.text('before'),
    limit: typed.text('limit'),
  };
}

function rowsOf(answer: Answer, name: string): Record<string, unknown>[] {
  return (answer[name] ?? []) as Record<string, unknown>[];
}

function printTable({ print }: Context, names: string[], found: Record<string, unknown>[]): void {
  const rows = found.map((row) => names.map((name) => cellOf(row[name])));
  print(columns([names.map((name) => name.replaceAll('_', ' ').toUpperCase()), ...rows]).join('\n'));
}

function printFields({ print }: Context, answer: Answer): void {
  const fields = Object.entries(answer).filter(([name]) => name !== 'ok' && name !== 'message');
  print(columns(fields.map(([name, value]) => [name, cellOf(value)])).join('\n'));
}

function cellOf(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-';
  if (Array.isArray(value)) return value.join(', ') || '-';
  return (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(/\s+/g, ' ');
}
