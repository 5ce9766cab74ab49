import { eventTable } from '../model/events.ts';
import type { Command, Context, OptionSpec } from './command.ts';
import { type Answer, withGateway } from './gateway.ts';

const instance: OptionSpec = {
  type: 'string',
  value: 'ID',
  doc: 'Of this instance only, instead of the whole account',
};

/** `webhook set | get`: where events go, done by the running gateway, which checks the address and uses it at once. */
export const webhookCommands: Record<string, Command> = {
  set: {
    summary: 'Sets the address that events are posted to; an empty one ("") removes it.',
    args: ['url'],
    options: {
      secret: { type: 'string', value: 'TEXT', doc: 'Sent as X-Wapbridge-Secret and used for the signature' },
      events: {
        type: 'string',
        value: 'LIST',
        doc: `Which events, separated by commas: ${Object.keys(eventTable).join(', ')} (default: message.received)`,
      },
      instance,
    },
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const answer = await call('settings.set_webhook', {
          url: typed.arg('url'),
          secret: typed.text('secret'),
          events: typed
            .text('events')
            ?.split(',')
            .map((event) => event.trim()),
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
};

function show({ url, events, enabled, disabled_reason: reason }: Answer, { print, warn }: Context): void {
  if (typeof url !== 'string') {
    warn('There is no webhook: set one with `npm run wapbridge -- webhook set <url>`.');
    return;
  }
  print(`${url}\nevents: ${Array.isArray(events) ? events.join(', ') : '-'}`);
  if (enabled === false) warn(`It is disabled: ${String(reason)}. Set it again to enable it.`);
}
