import Joi from 'joi';
import QRCode from 'qrcode';
import { rawAnswer } from '../../../http/answer.ts';
import { type Route, route } from '../../../http/route.ts';
import { optionalText, text } from '../../../http/schema.ts';
import { GatewayError } from '../../../model/errors.ts';
import { type ConflictPolicy, conflictPolicies } from '../../../model/instance.ts';
import { isCountry } from '../../../model/phone.ts';
import type { Core } from '../../core.ts';
import {
  createdAnswer,
  detailedAnswer,
  instanceAnswer,
  instancesAnswer,
  namedAnswer,
  pairingAnswer,
  qrAnswer,
  updatedAnswer,
} from '../answers/instances.ts';
import { changing, reading } from '../methods.ts';
import { presentInstance, presentInstanceStatus, time } from '../present.ts';

const path = '/api/method/wap_bridge.api.instances';

const createInput = Joi.object<{ title?: string; default_country?: string }, true>({
  title: optionalText().max(140).description('A name for people').example('Front desk'),
  default_country: optionalText()
    .uppercase()
    .custom((code: string, helpers) => (isCountry(code) ? code : helpers.error('any.invalid')))
    .messages({ 'any.invalid': 'default_country must be an ISO code, e.g. TZ' })
    .description('Country by which local numbers are read')
    .example('TZ'),
});

const instanceInput = Joi.object<{ instance_id: string }, true>({ instance_id: instanceId() });

interface UpdateInput {
  instance_id: string;
  title?: string;
  default_country?: string | null;
  on_conflict?: ConflictPolicy;
  proxy_url?: string | null;
  user_agent?: string | null;
}

const updateInput = Joi.object<UpdateInput, true>({
  instance_id: instanceId(),
  title: optionalText().max(140).description('A name for people'),
  default_country: text()
    .trim()
    .uppercase()
    .allow('', null)
    .description('Country (ISO) by which local numbers are read; empty for none')
    .example('TZ'),
  on_conflict: optionalText()
    .lowercase()
    .valid(...conflictPolicies)
    .description('When WhatsApp Web is opened elsewhere with this link: wait (default) or takeover'),
  proxy_url: text()
    .trim()
    .max(1000)
    .allow('', null)
    .description(
      'http, https or socks5, with user and password where needed; kept encrypted, never shown; empty for none',
    )
    .example('socks5://user:password@proxy.example.com:1080'),
  user_agent: text().trim().max(500).allow('', null).description('What the browser says it is; empty for its own'),
});

const qrInput = Joi.object<{ instance_id: string; format?: string }, true>({
  instance_id: instanceId(),
  format: optionalText()
    .lowercase()
    .valid('json', 'png', 'ascii')
    .description('json (default), png: the image itself, ascii: text for a terminal'),
});

const pairingInput = Joi.object<{ instance_id: string; phone_number: string }, true>({
  instance_id: instanceId(),
  phone_number: text().trim().max(40).required().description('The phone that is to be linked').example('+255700000000'),
});

/** The methods under `wap_bridge.api.instances`: from a new instance to a linked phone, and back. */
export function instanceRoutes({ instances }: Pick<Core, 'instances'>): Route[] {
  return [
    route({
      method: changing,
      path: `${path}.create_instance`,
      summary: 'Makes an instance and starts it',
      scope: 'full',
      body: createInput,
      answer: createdAnswer,
      async handle({ input, caller }) {
        const instance = await instances.create(caller, {
          ...(input.title !== undefined && { title: input.title }),
          ...(input.default_country !== undefined && { defaultCountry: input.default_country }),
        });
        return { ok: true, instance_id: instance.id, status: instance.state };
      },
    }),
    route({
      method: reading,
      path: `${path}.list_instances`,
      summary: 'Lists the instances',
      scope: 'full',
      safe: true,
      body: Joi.object<object, true>({}),
      answer: instancesAnswer,
      handle: async ({ caller }) => ({ ok: true, instances: (await instances.list(caller)).map(presentInstance) }),
    }),
    route({
      method: reading,
      path: `${path}.instance_status`,
      summary: 'Shows one instance',
      scope: 'full',
      safe: true,
      body: instanceInput,
      answer: detailedAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentInstanceStatus(await instances.get(caller, input.instance_id)),
      }),
    }),
    route({
      method: changing,
      path: `${path}.update_instance`,
      summary:
        'Changes settings of an instance: name, country, proxy, user agent, what to do when the link is taken over',
      scope: 'full',
      body: updateInput,
      answer: updatedAnswer,
      async handle({ input, caller }) {
        const { instance_id: id, title, default_country, on_conflict, proxy_url, user_agent } = input;
        const { instance, restartNeeded } = await instances.update(caller, id, {
          ...(title !== undefined && { title }),
          ...(default_country !== undefined && { defaultCountry: default_country || null }),
          ...(on_conflict !== undefined && { onConflict: on_conflict }),
          ...(proxy_url !== undefined && { proxyUrl: proxy_url || null }),
          ...(user_agent !== undefined && { userAgent: user_agent || null }),
        });
        return { ok: true, ...presentInstance(instance), restart_needed: restartNeeded };
      },
    }),
    route({
      method: reading,
      path: `${path}.get_qr`,
      summary: 'Shows the QR code to scan with the phone: raw, as PNG data URL, as image, as text',
      scope: 'full',
      safe: true,
      body: qrInput,
      answer: qrAnswer,
      async handle({ input, caller }) {
        const { status, code, expiresAt } = await instances.qr(caller, input.instance_id);
        const image = qrImages[input.format ?? ''];
        if (image) return await image(code ?? noCode(input.instance_id, status));
        if (code === null) return { ok: true, status };
        return { ok: true, status, qr: code, qr_code: await QRCode.toDataURL(code), expires_at: time(expiresAt) };
      },
    }),
    route({
      method: changing,
      path: `${path}.request_pairing_code`,
      summary: 'Asks WhatsApp for a code to type on the phone, in place of the QR code',
      scope: 'full',
      body: pairingInput,
      answer: pairingAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        code: await instances.requestPairingCode(caller, input.instance_id, input.phone_number),
      }),
    }),
    route({
      method: changing,
      path: `${path}.connect`,
      summary: 'Starts an instance',
      scope: 'full',
      body: instanceInput,
      answer: instanceAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentInstance(await instances.connect(caller, input.instance_id)),
      }),
    }),
    route({
      method: changing,
      path: `${path}.disconnect`,
      summary: 'Stops an instance; the phone stays linked',
      scope: 'full',
      body: instanceInput,
      answer: instanceAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentInstance(await instances.disconnect(caller, input.instance_id)),
      }),
    }),
    route({
      method: changing,
      path: `${path}.logout`,
      summary: 'Unlinks the phone',
      scope: 'full',
      body: instanceInput,
      answer: instanceAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentInstance(await instances.logout(caller, input.instance_id)),
      }),
    }),
    route({
      method: changing,
      path: `${path}.delete_instance`,
      summary: 'Unlinks the phone and removes the instance',
      scope: 'full',
      body: instanceInput,
      answer: namedAnswer,
      async handle({ input, caller }) {
        await instances.remove(caller, input.instance_id);
        return { ok: true, instance_id: input.instance_id };
      },
    }),
  ];
}

const qrImages: Record<string, (code: string) => Promise<unknown>> = {
  png: async (code) =>
    rawAnswer({ status: 200, contentType: 'image/png', body: await QRCode.toBuffer(code, { width: 360 }) }),
  ascii: async (code) =>
    rawAnswer({
      status: 200,
      contentType: 'text/plain; charset=utf-8',
      body: await QRCode.toString(code, { type: 'utf8' }),
    }),
};

function noCode(instanceId: string, status: string): never {
  throw new GatewayError('conflict', `${instanceId} shows no QR code: it is ${status}`);
}

function instanceId(): Joi.StringSchema {
  return text().trim().uppercase().max(32).required().description('The instance').example('INST-01-0000142');
}
