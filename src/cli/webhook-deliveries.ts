import type { Command, OptionSpec, Typed } from './command.ts';
import { printFields, printTable, rowsOf } from './fields.ts';
import { withGateway } from './gateway.ts';

const pageOptions = {
  webhook: { type: 'string', value: 'ID', doc: 'Of this webhook only' },
  event: { type: 'string', value: 'LIST', doc: 'Of these events only, separated by commas' },
  since: { type: 'string', value: 'TIME', doc: 'From this time on, such as 2026-11-20T08:00:00Z' },
  before: { type: 'string', value: 'ID', doc: 'What stands before this one, for the next page' },
  limit: { type: 'string', value: 'N', doc: 'So many, 50 by default' },
} satisfies Record<string, OptionSpec>;

/** `webhook …`: what was delivered, and sending it again; done by the running gateway. */
export const deliveryCommands: Record<string, Command> = {
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

function pageOf(typed: Typed): Record<string, unknown> {
  return {
    webhook_id: typed.text('webhook'),
    event: typed.text('event')?.split(','),
    since: typed.text('since'),
    before: typed.text('before'),
    limit: typed.text('limit'),
  };
}
