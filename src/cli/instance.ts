import { type Command, columns } from './command.ts';
import { type Answer, withGateway } from './gateway.ts';
import { showQr } from './qr.ts';

/** `instance …`: what concerns linked numbers, done by the running gateway. */
export const instanceCommands: Record<string, Command> = {
  create: {
    summary: 'Makes an instance, starts it, and shows the QR code to scan with the phone.',
    options: {
      title: { type: 'string', value: 'TEXT', doc: 'A name for people, e.g. "Front desk"' },
      country: { type: 'string', value: 'ISO', doc: 'Country by which local numbers are read, e.g. TZ' },
      'no-qr': { type: 'boolean', doc: 'Only make it' },
    },
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const { instance_id: id } = await call('instances.create_instance', {
          title: typed.text('title'),
          default_country: typed.text('country'),
        });
        context.print(String(id));
        return typed.flag('no-qr') ? 0 : showQr(String(id), call, context);
      }),
  },

  list: {
    summary: 'Lists the instances; `instance diagnose` tells the rest of one.',
    run: (_, context) =>
      withGateway(context, async (call) => {
        const { instances } = (await call('instances.list_instances')) as { instances: Answer[] };
        if (instances.length === 0)
          context.warn('There is no instance yet: make one with `npm run wapbridge -- instance create`.');
        else context.print(columns([instanceHeads, ...instances.map(instanceRow)], context.lineWidth).join('\n'));
      }),
  },

  update: {
    summary: 'Changes settings of an instance; an empty text removes one, what is not named stays.',
    args: ['id'],
    options: {
      title: { type: 'string', value: 'TEXT', doc: 'A name for people' },
      country: { type: 'string', value: 'ISO', doc: 'Country by which local numbers are read' },
      'on-conflict': { type: 'string', value: 'POLICY', doc: 'wait or takeover, when the link is used elsewhere' },
      proxy: { type: 'string', value: 'URL', doc: 'http, https or socks5://[user:password@]host:port' },
      'user-agent': { type: 'string', value: 'TEXT', doc: 'What the browser says it is' },
    },
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const answer = await call('instances.update_instance', {
          instance_id: typed.arg('id'),
          title: typed.text('title'),
          default_country: typed.text('country'),
          on_conflict: typed.text('on-conflict'),
          proxy_url: typed.text('proxy'),
          user_agent: typed.text('user-agent'),
        });
        context.print(`${typed.arg('id')} is changed.`);
        if (answer['restart_needed'] === true)
          context.warn('Its browser has the old settings until `instance disconnect` and `instance connect`.');
      }),
  },

  qr: {
    summary: 'Shows the QR code to scan with the phone, anew whenever it changes, until the phone is linked.',
    args: ['id'],
    run: (typed, context) => withGateway(context, (call) => showQr(typed.arg('id'), call, context)),
  },

  pair: {
    summary:
      'Shows a code to type on the phone, in place of the QR code: WhatsApp, Linked devices, Link with phone number.',
    args: ['id', 'phone'],
    run: (typed, context) =>
      withGateway(context, async (call) => {
        const { code } = await call('instances.request_pairing_code', {
          instance_id: typed.arg('id'),
          phone_number: typed.arg('phone'),
        });
        context.print(String(code));
      }),
  },

  connect: change({ method: 'instances.connect', done: 'starts', summary: 'Starts an instance.' }),
  disconnect: change({
    method: 'instances.disconnect',
    done: 'is stopped',
    summary: 'Stops an instance; the phone stays linked.',
  }),
  logout: change({ method: 'instances.logout', done: 'is logged out', summary: 'Unlinks the phone.' }),

  delete: {
    summary: 'Unlinks the phone and removes the instance; its messages stay.',
    args: ['id'],
    options: { yes: { type: 'boolean', doc: 'Needed: there is no way back' } },
    async run(typed, context) {
      const id = typed.arg('id');
      if (!typed.flag('yes'))
        throw new Error(`This unlinks the phone of ${id} and removes the instance for good: add --yes to do it.`);
      await withGateway(context, (call) => call('instances.delete_instance', { instance_id: id }));
      context.print(`${id} is deleted.`);
    },
  },
};

/** A command that changes one instance. The gateway answers when the change has begun, so its state then is still the old one. */
function change({ method, done, summary }: { method: string; done: string; summary: string }): Command {
  return {
    summary,
    args: ['id'],
    async run(typed, context) {
      await withGateway(context, (call) => call(method, { instance_id: typed.arg('id') }));
      context.print(`${typed.arg('id')} ${done}.`);
    },
  };
}

const instanceHeads = ['ID', 'STATUS', 'ACTION', 'PHONE', 'TITLE', 'LACKS', 'REASON'];

function instanceRow(instance: Answer): string[] {
  const shown = (key: string): string => String(instance[key] ?? '-');
  return [
    ...['instance_id', 'status', 'action', 'phone_number', 'title'].map(shown),
    lacks(instance['missing_features'] as string[]),
    shown('reason'),
  ];
}

/** A page that lacks much is a matter for `instance diagnose`. */
function lacks(features: string[]): string {
  if (features.length > 3) return `${features.length} features`;
  return features.join(', ') || '-';
}
