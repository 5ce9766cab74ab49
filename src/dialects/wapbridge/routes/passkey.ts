import Joi from 'joi';
import type { PasskeyStanding } from '../../../core/passkeys.ts';
import { type Route, route } from '../../../http/route.ts';
import { record, text } from '../../../http/schema.ts';
import type { PasskeyAssertion } from '../../../model/passkey.ts';
import type { Core } from '../../core.ts';
import { namedAnswer, passkeyAnswer } from '../answers/instances.ts';
import { changing } from '../methods.ts';
import { time } from '../present.ts';

const path = '/api/method/wap_bridge.api.instances';

const instanceInput = Joi.object<{ instance_id: string }, true>({ instance_id: instanceId() });

const bytes = () => text().base64({ urlSafe: true, paddingRequired: false }).max(65_536);
const assertionInput = Joi.object<{ instance_id: string; assertion: PasskeyAssertion }, true>({
  instance_id: instanceId(),
  assertion: record<PasskeyAssertion>({
    id: bytes().required(),
    rawId: bytes().required(),
    response: Joi.object<PasskeyAssertion['response'], true>({
      clientDataJSON: bytes().required(),
      authenticatorData: bytes().required(),
      signature: bytes().required(),
      userHandle: bytes().empty('').allow(null).default(null),
    })
      .unknown()
      .required(),
  })
    .unknown()
    .required()
    .description('What the browser answered (`credential.toJSON()`): bytes as base64url'),
});

/** The methods of the passkey step of linking; see the README on when WhatsApp asks for it. */
export function passkeyRoutes({ passkeys }: Pick<Core, 'passkeys'>): Route[] {
  return [
    route({
      // What is read has to be signed, and WhatsApp is asked for a new challenge where the old one is used up.
      method: changing,
      path: `${path}.get_passkey_challenge`,
      summary: 'Shows what the owner of the number has to sign with the passkey',
      scope: 'full',
      body: instanceInput,
      answer: passkeyAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentStanding(await passkeys.challenge(caller, input.instance_id)),
      }),
    }),
    route({
      method: changing,
      path: `${path}.submit_passkey_assertion`,
      summary: 'Hands the signed answer to WhatsApp (experimental)',
      scope: 'full',
      body: assertionInput,
      answer: passkeyAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentStanding(await passkeys.submit(caller, input.instance_id, input.assertion)),
      }),
    }),
    route({
      method: changing,
      path: `${path}.confirm_passkey_code`,
      summary: 'Says that the phone shows the same code (experimental)',
      scope: 'full',
      body: instanceInput,
      answer: namedAnswer,
      async handle({ input, caller }) {
        await passkeys.confirm(caller, input.instance_id);
        return { ok: true, instance_id: input.instance_id };
      },
    }),
  ];
}

function presentStanding({ step, options, code, reason, expiresAt }: PasskeyStanding): object {
  return { step, options, verification_code: code, reason, expires_at: time(expiresAt) };
}

function instanceId(): Joi.StringSchema {
  return text().trim().uppercase().max(32).required().description('The instance').example('INST-01-0000142');
}
