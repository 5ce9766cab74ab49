import type { Command, Context, OptionSpec } from './command.ts';
import { printFields, printTable, rowsOf } from './fields.ts';
import { type Answer, withGateway } from './gateway.ts';
import { changesOf, either, endpointOptions, eventsOf } from './webhook-options.ts';

const instance: OptionSpec = {
  type: 'string',
  value: 'ID',
  doc: 'Of this instance only, instead of the whole account',
};

/** `webhook …`: where events go; done by the running gateway, which checks addresses and uses changes at once. */
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
