import { type Command, columns } from './command.ts';
import { type Answer, withGateway } from './gateway.ts';

/** `message …`: the log of messages, read by the running gateway. */
export const messageCommands: Record<string, Command> = {
  list: {
    summary: 'Lists messages, in and out, the newest first.',
    options: {
      instance: { type: 'string', value: 'ID', doc: 'Of this instance' },
      chat: { type: 'string', value: 'NUMBER', doc: 'With this number, or in this chat' },
      direction: { type: 'string', value: 'in|out', doc: 'Received or sent ones' },
      status: { type: 'string', value: 'STATUS', doc: 'In this state, e.g. failed; several with commas' },
      campaign: { type: 'string', value: 'ID', doc: 'Of this campaign' },
      since: { type: 'string', value: 'TIME', doc: 'From this time on, e.g. 2026-11-20T08:00Z' },
      until: { type: 'string', value: 'TIME', doc: 'Before this time' },
      before: { type: 'string', value: 'ID', doc: 'The next page: what the page before named' },
      limit: { type: 'string', value: 'COUNT', doc: 'How many at most; 50' },
    },
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const answer = await call('whatsapp.list_messages', {
          instance_id: typed.text('instance'),
          chat: typed.text('chat'),
          direction: typed.text('direction'),
          status: typed.text('status')?.split(','),
          campaign: typed.text('campaign'),
          since: typed.text('since'),
          until: typed.text('until'),
          before: typed.text('before'),
          limit: typed.text('limit'),
        });
        const messages = answer.messages as Answer[];
        if (messages.length > 0) context.print(columns([heads, ...messages.map(row)]).join('\n'));
        else context.warn('There is no such message.');
        if (typeof answer.next === 'string') context.warn(`There may be more: add --before ${answer.next}`);
      }),
  },

  show: {
    summary: 'Shows a message.',
    args: ['id'],
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const answer = await call('whatsapp.get_message', { id: typed.arg('id') });
        const lines = Object.entries(answer).filter(
          ([key, value]) => key !== 'ok' && key !== 'message' && value !== null,
        );
        context.print(columns(lines.map(([key, value]) => [key, text(value)])).join('\n'));
      }),
  },

  cancel: {
    summary: 'Cancels a message that has not begun to be sent.',
    args: ['id'],
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const { id, status } = await call('whatsapp.cancel_message', { id: typed.arg('id') });
        context.print(`${text(id)} is ${text(status)}.`);
      }),
  },
};

const heads = ['TIME', 'DIRECTION', 'STATUS', 'CHAT', 'TEXT', 'ID'];
const shownTextLength = 40;

function row(message: Answer): string[] {
  const { send_at, created_at, direction, status, chat_id, id } = message;
  const shown = [send_at ?? created_at, direction, status, chat_id, oneLine(message), id];
  return shown.map(text);
}

function oneLine({ type, body }: Answer): string {
  const line = text(body).replace(/\s+/g, ' ').trim();
  const shown = line.length > shownTextLength ? `${line.slice(0, shownTextLength - 1)}…` : line;
  return type === 'chat' ? shown : `[${text(type)}] ${shown}`.trim();
}

function text(value: unknown): string {
  if (value === null || value === undefined) return '-';
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number);
}
