import Joi from 'joi';
import { type Route, route } from '../../../http/route.ts';
import { optionalText, text } from '../../../http/schema.ts';
import type { EventChoice } from '../../../model/events.ts';
import type { Core } from '../../core.ts';
import { endpointAnswer } from '../answers/settings.ts';
import { changing, reading } from '../methods.ts';
import { presentEndpoint } from '../present.ts';
import { eventChoice } from '../webhook-inputs.ts';

const path = '/api/method/wap_bridge.api.settings';
const dialect = 'wapbridge';

interface SetWebhookInput {
  url: string | null;
  secret?: string | null;
  events?: EventChoice[];
  instance_id?: string;
}

const setInput = Joi.object<SetWebhookInput, true>({
  url: text()
    .trim()
    .allow('', null)
    .max(2048)
    .required()
    .description('Where to post events; empty removes the webhook')
    .example('https://erp.example.com/api/method/receive'),
  secret: text()
    .trim()
    .allow('', null)
    .max(255)
    .description('Sent as X-Wapbridge-Secret and used for the signature; absent keeps it, empty removes it'),
  events: eventChoice().description('Which events; absent keeps them, at first message.received; all or *: every one'),
  instance_id: optionalText().uppercase().max(32).description('Only events of this instance'),
});

const getInput = Joi.object<{ instance_id?: string }, true>({
  instance_id: optionalText().uppercase().max(32).description('The webhook of this instance'),
});

/** The methods under `wap_bridge.api.settings`: the webhook receiver. */
export function settingsRoutes({ webhooks, instances }: Pick<Core, 'webhooks' | 'instances'>): Route[] {
  return [
    route({
      method: changing,
      path: `${path}.set_webhook`,
      summary: 'Sets or removes the webhook',
      scope: 'full',
      body: setInput,
      answer: endpointAnswer,
      async handle({ input, caller }) {
        const instanceId = await ownInstance(caller, input.instance_id);
        const endpoint = await webhooks.set(caller.accountId, {
          url: input.url || null,
          instanceId,
          dialect,
          by: caller,
          ...(input.secret !== undefined && { secret: input.secret || null }),
          ...(input.events !== undefined && { events: input.events }),
        });
        return presentEndpoint(endpoint);
      },
    }),
    route({
      method: reading,
      path: `${path}.get_webhook`,
      summary: 'Shows the webhook',
      scope: 'full',
      safe: true,
      body: getInput,
      answer: endpointAnswer,
      async handle({ input, caller }) {
        const instanceId = await ownInstance(caller, input.instance_id);
        return presentEndpoint(await webhooks.get(caller.accountId, { instanceId, dialect }));
      },
    }),
  ];

  /** A token of one instance sees and sets the webhook of that instance only. */
  async function ownInstance(
    caller: Parameters<typeof instances.get>[0],
    named: string | undefined,
  ): Promise<string | null> {
    const id = named ?? caller.token.instanceId;
    return id === null ? null : (await instances.get(caller, id)).id;
  }
}
