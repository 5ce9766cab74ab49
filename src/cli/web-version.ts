import { createWebVersions, type WebVersions } from '../whatsapp/web-versions.ts';
import { type Command, columns, type Context, time } from './command.ts';
import { withGateway } from './gateway.ts';

/** `web-version …`: recorded pages of WhatsApp Web, and which one is opened. */
export const webVersionCommands: Record<string, Command> = {
  list: {
    summary: 'Lists the recorded pages of WhatsApp Web, newest first.',
    async run(_, context) {
      const found = await versionsOf(context).list();
      if (found.length === 0)
        context.warn('None is recorded: see `web-version record`, or set WHATSAPP_WEB_RECORD=true.');
      const rows = found.map(({ version, recordedAt, sizeBytes, isPinned }) => [
        version,
        time(recordedAt),
        `${Math.ceil(sizeBytes / 1024)} KiB`,
        isPinned ? 'pinned' : '',
      ]);
      if (rows.length > 0) context.print(columns([['VERSION', 'RECORDED', 'SIZE', ''], ...rows]).join('\n'));
    },
  },

  record: {
    summary: 'Records the page that an instance has open now; needs the running gateway.',
    args: ['id'],
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const answer = await call('instances.record_web_version', { instance_id: typed.arg('id') });
        context.print(`${String(answer.version)} ${answer.recorded ? 'is recorded' : 'was recorded already'}.`);
      }),
  },

  pin: {
    summary: 'Opens a recorded page instead of the live one, from the next start of each instance on.',
    args: ['version'],
    async run(typed, context) {
      assertNotForced(context);
      await versionsOf(context).pin(typed.arg('version'));
      context.print(`${typed.arg('version')} is opened from the next start of each instance on.`);
    },
  },

  unpin: {
    summary: 'Opens the live page again, from the next start of each instance on.',
    async run(_, context) {
      assertNotForced(context);
      await versionsOf(context).unpin();
      context.print('The live page is opened from the next start of each instance on.');
    },
  },
};

function versionsOf(context: Context): WebVersions {
  const { whatsappWebCacheDir, whatsappWebVersion } = context.config();
  return createWebVersions({ dir: whatsappWebCacheDir!, forced: whatsappWebVersion });
}

function assertNotForced(context: Context): void {
  const { whatsappWebVersion } = context.config();
  if (whatsappWebVersion !== null)
    throw new Error(`WHATSAPP_WEB_VERSION=${whatsappWebVersion} outweighs what is pinned: change it there.`);
}
