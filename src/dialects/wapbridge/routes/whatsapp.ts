import type { Logger } from 'pino';
import { type Route, route } from '../../../http/route.ts';
import type { ContentInput } from '../../../model/content.ts';
import { GatewayError } from '../../../model/errors.ts';
import { splitNumbers } from '../../../model/phone.ts';
import type { Jid } from '../../../model/jid.ts';
import type { Instance } from '../../../model/instance.ts';
import { type Priority, priorities } from '../../../model/message.ts';
import type { Caller } from '../../../model/token.ts';
import type { Core } from '../../core.ts';
import { gatewayAnswer, numbersAnswer, sendAnswer } from '../answers/messages.ts';
import { requestHash } from '../hash.ts';
import {
  type GatewayInput,
  type PriorityName,
  type SendInput,
  checkInput,
  gatewayInput,
  priorityNames,
  sendInput,
} from '../inputs.ts';
import { toWhatsAppText } from '../markup.ts';
import { mediaOf } from '../media-source.ts';
import { changing } from '../methods.ts';
import { momentOf, homeZone } from '../moment.ts';
import { instanceOf, missing, required } from '../names.ts';
import { priorityOf } from '../otp.ts';
import { presentNumber, presentSend } from '../present.ts';
import { createReceivers } from '../receivers.ts';

const path = '/api/method/wap_bridge.api.whatsapp';

/** Failures of one receiver that `on_error=accept` turns into a 200, so that the rest of ERPNext's list is still served. */
const acceptable = new Set<string>(['invalid_number', 'not_on_whatsapp']);

/** What these routes stand on. */
interface WhatsappRoutesDeps {
  core: Pick<Core, 'instances' | 'messages' | 'contacts'>;
  log: Logger;
  /** How long an API send waits for WhatsApp Web. */
  syncSendTimeoutMs: number;
  defaultCountry: string | null;
}

/** The methods under `wap_bridge.api.whatsapp`: sending, and what belongs to it. */
export function whatsappRoutes({ core, log, syncSendTimeoutMs, defaultCountry }: WhatsappRoutesDeps): Route[] {
  const receiversOf = createReceivers({ defaultCountry });

  async function sendAll(caller: Caller, input: GatewayInput, idempotencyKey: string | null): Promise<object> {
    const content = toWhatsAppText(required(input, 'message'));
    if (content.trim() === '') throw missing('message');
    const instance = await core.instances.resolve(caller, instanceOf(input));
    const hash = requestHash('erpnext_notification_gateway', input);
    const receivers = receiversOf({ text: required(input, 'to_number'), country: input.country, instance });
    const timing = timingOf(input, instance);
    const priority = timing.priority ?? priorityOf({ text: content, ttlSeconds: input.ttl });

    const send = (to: Jid, index: number) =>
      core.messages.send(caller, {
        instance,
        to,
        content: { type: 'text', text: content },
        ...timing,
        priority,
        waitMs: 0,
        queueUnlinked: true,
        ...(idempotencyKey !== null && {
          idempotency: { key: index === 0 ? idempotencyKey : `${idempotencyKey}#${index}`, requestHash: hash },
        }),
      });
    const messages = [];
    for (const [index, receiver] of receivers.entries()) messages.push(await send(receiver, index));
    const [first] = messages;
    if (!first) throw missing('to_number');
    return { ...presentSend(first), ...(messages.length > 1 && { ids: messages.map((message) => message.waKey) }) };
  }

  /** ERPNext cannot be told of one bad number without losing the receivers after it (frappe-wire 2.2). */
  async function acceptFailure(input: GatewayInput, work: Promise<object>): Promise<object> {
    try {
      return await work;
    } catch (error) {
      if (input.on_error !== 'accept' || !(error instanceof GatewayError) || !acceptable.has(error.code)) throw error;
      log.warn(
        { code: error.code, reason: error.message },
        'gateway message refused, answered 200 as on_error=accept asks',
      );
      return { ok: false, service: { ok: false, error: error.message }, status: 'failed', reason: error.code };
    }
  }

  return [
    route({
      method: changing,
      path: `${path}.send_api_message`,
      summary: 'Sends a text or a file and waits for WhatsApp Web to take it',
      scope: 'send',
      maxBody: 'media',
      body: sendInput,
      answer: sendAnswer,
      async handle({ input, caller, idempotencyKey }) {
        const content = contentOf(input);
        const instance = await core.instances.resolve(caller, instanceOf(input));
        const message = await core.messages.send(caller, {
          instance,
          to: input.to_number,
          content,
          priority: priorities.interactive,
          ...timingOf(input, instance),
          waitMs: Math.min((input.wait ?? Infinity) * 1000, syncSendTimeoutMs),
          ...(input.country !== undefined && { country: input.country }),
          ...(idempotencyKey !== null && {
            idempotency: { key: idempotencyKey, requestHash: requestHash('send_api_message', input) },
          }),
        });
        return presentSend(message);
      },
    }),
    route({
      method: ['POST', 'GET', 'PUT', 'DELETE'],
      path: `${path}.erpnext_notification_gateway`,
      summary: 'Takes a text from the SMS Settings of ERPNext; answers as soon as it is stored',
      scope: 'send',
      limit: 'sms',
      body: gatewayInput,
      answer: gatewayAnswer,
      handle: ({ input, caller, idempotencyKey }) => acceptFailure(input, sendAll(caller, input, idempotencyKey)),
    }),
    route({
      method: ['POST', 'GET', 'PUT', 'DELETE'],
      path: `${path}.check_numbers`,
      summary: 'Tells which numbers are on WhatsApp',
      scope: 'send',
      safe: true,
      body: checkInput,
      answer: numbersAnswer,
      async handle({ input, caller }) {
        const instance = await core.instances.resolve(caller, instanceOf(input));
        const numbers = input.numbers.flatMap(splitNumbers);
        if (numbers.length === 0) throw missing('numbers');
        const checked = await core.contacts.check(caller, {
          instance,
          numbers,
          ...(input.country !== undefined && { country: input.country }),
        });
        return { ok: true, numbers: checked.map(presentNumber) };
      },
    }),
  ];
}

function contentOf(input: SendInput): ContentInput {
  const media = mediaOf(input);
  if (!media) {
    if (input.message === undefined || input.message.trim() === '') throw missing('message');
    return { type: 'text', text: input.message };
  }
  const caption = input.caption ?? input.message;
  return { type: 'media', ...media, ...(caption !== undefined && { caption }) };
}

/** When a message goes out, and before which others. */
function timingOf(
  { send_at, ttl, priority }: { send_at?: string; ttl?: number; priority?: string },
  instance: Instance,
): { sendAt?: number; ttlSeconds?: number; priority?: Priority } {
  return {
    ...(send_at !== undefined && { sendAt: momentOf('send_at', send_at, homeZone(instance)) }),
    ...(ttl !== undefined && { ttlSeconds: ttl }),
    ...(isPriority(priority) && { priority: priorityNames[priority] }),
  };
}

function isPriority(text: string | undefined): text is PriorityName {
  return text !== undefined && Object.hasOwn(priorityNames, text);
}
