import { type Route, route } from '../../../http/route.ts';
import type { Core } from '../../core.ts';
import { messageAnswer, messagesAnswer, statusAnswer } from '../answers/messages.ts';
import { messageInput } from '../inputs.ts';
import { type ListMessagesInput, listMessagesInput } from '../log-inputs.ts';
import { changing, reading } from '../methods.ts';
import { momentOf } from '../moment.ts';
import { presentMessage } from '../present-message.ts';
import { presentStatus } from '../present.ts';

const path = '/api/method/wap_bridge.api.whatsapp';

/** The methods under `wap_bridge.api.whatsapp` about messages that are there: what became of them, the log, cancelling. */
export function messageRoutes({
  instances,
  messages,
  messageLog,
}: Pick<Core, 'instances' | 'messages' | 'messageLog'>): Route[] {
  return [
    route({
      method: reading,
      path: `${path}.message_status`,
      summary: 'Tells how far a message has come',
      scope: 'send',
      safe: true,
      body: messageInput,
      answer: statusAnswer,
      handle: async ({ input, caller }) => presentStatus(await messages.status(caller, input.id)),
    }),
    route({
      method: changing,
      path: `${path}.cancel_message`,
      summary: 'Cancels a message that has not begun to be sent',
      scope: 'send',
      body: messageInput,
      answer: statusAnswer,
      handle: async ({ input, caller }) => presentStatus(await messages.cancel(caller, input.id)),
    }),
    route({
      method: reading,
      path: `${path}.get_message`,
      summary: 'Shows a message, in or out',
      scope: 'full',
      safe: true,
      body: messageInput,
      answer: messageAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentMessage(await messages.status(caller, input.id)),
      }),
    }),
    route({
      method: reading,
      path: `${path}.list_messages`,
      summary: 'Lists messages, in and out, the newest first',
      scope: 'full',
      safe: true,
      body: listMessagesInput,
      answer: messagesAnswer,
      async handle({ input, caller }) {
        const named =
          input.from_number === undefined ? null : await instances.resolve(caller, { fromNumber: input.from_number });
        const page = await messageLog.list(caller, queryOf(input, named?.id ?? input.instance_id));
        return { ok: true, messages: page.messages.map(presentMessage), next: page.next };
      },
    }),
  ];
}

function queryOf(input: ListMessagesInput, instanceId: string | undefined) {
  const { chat, country, direction, status, campaign, since, until, before, limit } = input;
  return {
    limit,
    ...(instanceId !== undefined && { instanceId }),
    ...(chat !== undefined && { chat }),
    ...(country !== undefined && { country }),
    ...(direction !== undefined && { direction }),
    ...(status !== undefined && { states: status }),
    ...(campaign !== undefined && { campaignId: campaign }),
    ...(since !== undefined && { sinceAt: momentOf('since', since, 'UTC') }),
    ...(until !== undefined && { untilAt: momentOf('until', until, 'UTC') }),
    ...(before !== undefined && { before }),
  };
}
