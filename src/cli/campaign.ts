import { type Command, columns } from './command.ts';
import { type Answer, withGateway } from './gateway.ts';

/** `campaign …`: what concerns bulk sending, done by the running gateway. */
export const campaignCommands: Record<string, Command> = {
  list: {
    summary: 'Lists the latest campaigns.',
    run: (_, context) =>
      withGateway(context, async (call) => {
        const { campaigns } = (await call('campaigns.list_campaigns', { limit: 50 })) as { campaigns: Answer[] };
        if (campaigns.length === 0) context.warn('There is no campaign yet.');
        else context.print(columns([heads, ...campaigns.map(row)]).join('\n'));
      }),
  },

  status: {
    summary: 'Shows how far a campaign has come, what holds it, and when it is likely to end.',
    args: ['id'],
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const answer = await call('campaigns.campaign_status', { campaign: typed.arg('id') });
        context.print(columns(shown.map((key) => [key, text(answer[key])])).join('\n'));
      }),
  },

  pause: change('pause_campaign', 'Pauses a campaign; a message on its way still goes out.'),
  resume: change('resume_campaign', 'Goes on with a paused campaign, or starts a draft.'),
  cancel: change('cancel_campaign', 'Ends a campaign; who is queued gets nothing.'),
};

const heads = ['ID', 'STATUS', 'HOLD', 'TOTAL', 'QUEUED', 'SENT', 'FAILED', 'NAME'];

const shown = [
  ['campaign', 'campaign_name', 'instance_id', 'status', 'hold', 'hold_until', 'pause_reason'],
  ['total', 'queued', 'sending', 'sent', 'delivered', 'read', 'failed', 'skipped', 'uncertain', 'cancelled'],
  ['rate_per_minute', 'next_send_at', 'eta_at', 'started_at', 'finished_at'],
].flat();

function row(campaign: Answer): string[] {
  const keys = ['campaign', 'status', 'hold', 'total', 'queued', 'sent', 'failed', 'campaign_name'];
  return keys.map((key) => text(campaign[key]));
}

function text(value: unknown): string {
  return value === null || value === undefined || value === '' ? '-' : String(value as string | number);
}

/** A command that steers one campaign. */
function change(method: string, summary: string): Command {
  return {
    summary,
    args: ['id'],
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const { campaign, status } = await call(`campaigns.${method}`, { campaign: typed.arg('id') });
        context.print(`${text(campaign)} is ${text(status)}.`);
      }),
  };
}
