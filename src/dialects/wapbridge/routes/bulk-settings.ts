import Joi from 'joi';
import { type Route, route } from '../../../http/route.ts';
import type { Core } from '../../core.ts';
import { optOutsAnswer, pacingAnswer, pacingSetAnswer, phonesAnswer, wordsAnswer } from '../answers/campaigns.ts';
import { listOptOutsInput, optOutWordsInput, optOutsInput, pacingOfInput, setPacingInput } from '../campaign-inputs.ts';
import { pacingOf, presentPacing } from '../campaign-plan.ts';
import { changing, reading } from '../methods.ts';
import { instanceOf } from '../names.ts';
import { time } from '../present.ts';

const campaigns = '/api/method/wap_bridge.api.campaigns';
const settings = '/api/method/wap_bridge.api.settings';
const nothing = Joi.object<object, true>({});

/** What bulk sending keeps to: who opted out and by which words, and the pacing of each number. */
export function bulkSettingsRoutes(core: Pick<Core, 'campaigns' | 'instances' | 'optOuts'>): Route[] {
  const { optOuts, instances } = core;
  return [
    route({
      method: reading,
      path: `${campaigns}.list_opt_outs`,
      summary: 'Lists who may not be written to in bulk',
      scope: 'full',
      safe: true,
      body: listOptOutsInput,
      answer: optOutsAnswer,
      async handle({ input, caller }) {
        const found = await optOuts.list(caller, { after: input.after ?? null, limit: input.limit });
        return {
          ok: true,
          opt_outs: found.map(({ phone, source, createdAt }) => ({
            phone_number: phone,
            source,
            opted_out_at: time(createdAt),
          })),
          next: found.length < input.limit ? null : (found.at(-1)?.phone ?? null),
        };
      },
    }),
    route({
      method: changing,
      path: `${campaigns}.add_opt_outs`,
      summary: 'Keeps numbers from being written to in bulk',
      scope: 'full',
      body: optOutsInput,
      answer: phonesAnswer,
      handle: async ({ input, caller }) => ({ ok: true, phone_numbers: await optOuts.add(caller, input) }),
    }),
    route({
      method: changing,
      path: `${campaigns}.remove_opt_outs`,
      summary: 'Lets numbers be written to in bulk again',
      scope: 'full',
      body: optOutsInput,
      answer: phonesAnswer,
      handle: async ({ input, caller }) => ({ ok: true, phone_numbers: await optOuts.remove(caller, input) }),
    }),
    route({
      method: reading,
      path: `${settings}.get_opt_out_words`,
      summary: 'Shows the words by which people opt out and in, and the confirmation they get',
      scope: 'full',
      safe: true,
      body: nothing,
      answer: wordsAnswer,
      handle: async ({ caller }) => ({ ok: true, ...(await optOuts.words(caller)) }),
    }),
    route({
      method: changing,
      path: `${settings}.set_opt_out_words`,
      summary: 'Sets the words by which people opt out and in; a call without any goes back to the gateway’s own',
      scope: 'full',
      body: optOutWordsInput,
      answer: wordsAnswer,
      async handle({ input, caller }) {
        if (Object.keys(input).length === 0) return { ok: true, ...(await optOuts.setWords(caller, null)) };
        const usual = await optOuts.words(caller);
        const confirmation = input.confirmation === false ? null : (input.confirmation ?? usual.confirmation);
        const words = { stop: input.stop ?? usual.stop, start: input.start ?? usual.start, confirmation };
        return { ok: true, ...(await optOuts.setWords(caller, words)) };
      },
    }),
    route({
      method: reading,
      path: `${settings}.get_pacing`,
      summary: 'Shows how fast an instance sends in bulk',
      scope: 'full',
      safe: true,
      body: pacingOfInput,
      answer: pacingAnswer,
      async handle({ input, caller }) {
        const instance = await instances.resolve(caller, instanceOf(input));
        return { ok: true, instance_id: instance.id, pacing: presentPacing(await core.campaigns.pacing(instance)) };
      },
    }),
    route({
      method: changing,
      path: `${settings}.set_pacing`,
      summary: 'Sets how fast an instance sends in bulk; null goes back to the safe pacing',
      scope: 'full',
      body: setPacingInput,
      answer: pacingSetAnswer,
      async handle({ input, caller }) {
        const instance = await instances.resolve(caller, instanceOf(input));
        const set = await core.campaigns.setPacing(caller, instance, input.pacing && pacingOf(input.pacing));
        return { ok: true, instance_id: instance.id, pacing: presentPacing(set.pacing), warnings: set.warnings };
      },
    }),
  ];
}
