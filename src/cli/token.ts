import { commandLineTitle, type Token } from '../model/token.ts';
import { type Command, columns, time, UsageError } from './command.ts';
import { withStore } from './store.ts';

/** `token create | list | revoke`: works with and without a running gateway, which sees a change within seconds. */
export const tokenCommands: Record<string, Command> = {
  create: {
    summary: 'Makes a token and shows its secret, this once.',
    options: {
      title: { type: 'string', value: 'TEXT', doc: 'A name for people, e.g. "ERPNext"' },
      scope: {
        type: 'string',
        value: 'full|send',
        doc: 'send: may only send messages; for SMS Settings, which other people can read (default: full)',
      },
      instance: { type: 'string', value: 'ID', doc: 'The token reaches this instance only' },
    },
    async run(typed, context) {
      const scope = typed.text('scope') ?? 'full';
      if (scope !== 'full' && scope !== 'send') throw new UsageError('--scope is full or send');
      const instanceId = typed.text('instance')?.toUpperCase() ?? null;
      await withStore(context, async ({ accountId, caller, tokens, assertInstance }) => {
        if (instanceId !== null) await assertInstance(instanceId);
        const title = typed.text('title') ?? 'API token';
        const { token, secret } = await tokens.create({ accountId, title, scope, instanceId }, caller);
        context.print(
          [
            `API key     ${token.key}`,
            `API secret  ${secret}`,
            '',
            'Send it as this header; the secret is not shown again:',
            `Authorization: token ${token.key}:${secret}`,
          ].join('\n'),
        );
      });
    },
  },

  list: {
    summary: 'Lists the tokens.',
    options: { all: { type: 'boolean', doc: 'Also those that were revoked' } },
    async run(typed, context) {
      const list = await withStore(context, ({ accountId, tokens }) => tokens.list(accountId));
      const shown = typed.flag('all')
        ? list
        : list.filter((token) => token.revokedAt === null && token.title !== commandLineTitle);
      if (shown.length === 0) context.warn('There is no token yet: make one with `npm run wapbridge -- token create`.');
      else context.print(columns([tokenHeads, ...shown.map(tokenRow)]).join('\n'));
    },
  },

  revoke: {
    summary: 'Makes a token useless for good.',
    args: ['key'],
    async run(typed, context) {
      await withStore(context, ({ accountId, caller, tokens }) => tokens.revoke(accountId, typed.arg('key'), caller));
      context.print(`${typed.arg('key')} is revoked; a running gateway takes it for up to 5 s more.`);
    },
  },
};

const tokenHeads = ['KEY', 'SECRET', 'SCOPE', 'INSTANCE', 'TITLE', 'CREATED', 'LAST USED', 'REVOKED'];

function tokenRow(token: Token): string[] {
  const { key, secretTail, scope, instanceId, title, createdAt, lastUsedAt, revokedAt } = token;
  return [key, `…${secretTail}`, scope, instanceId ?? '-', title, time(createdAt), time(lastUsedAt), time(revokedAt)];
}
