import Joi from 'joi';
import { count, many, moment, oneOf, orNull, shape, word } from '../../../http/answer-schema.ts';
import { campaignHolds, campaignStates, recipientStates } from '../../../model/campaign.ts';
import { answer, next } from './common.ts';

const id = Joi.string().example('WAP-CAM-0001');
const status = oneOf(campaignStates);
const instanceId = Joi.string().example('INST-01-0000142');
const warnings = many(word());
const invalid = many(shape({ number: word(), reason: word() })).description('The first hundred');

const counters = {
  total: count(),
  queued: count(),
  sending: count(),
  sent: count(),
  delivered: count(),
  read: count(),
  failed: count(),
  skipped: count(),
  uncertain: count(),
  cancelled: count(),
};

const campaign = {
  campaign: id,
  campaign_name: word(),
  instance_id: instanceId,
  status,
  hold: orNull(oneOf(campaignHolds)),
  hold_until: orNull(moment()),
  pause_reason: orNull(Joi.string()),
  ...counters,
  counters: shape(counters),
  duplicates: count(),
  invalid_count: count(),
  rate_per_minute: Joi.number(),
  next_send_at: orNull(moment()),
  eta_at: orNull(moment()),
  schedule_at: orNull(moment()),
  end_at: orNull(moment()),
  created_at: moment(),
  started_at: orNull(moment()),
  finished_at: orNull(moment()),
};

/** `create_and_start_campaign`, `add_campaign_recipients`. */
export const receiptAnswer = answer({
  campaign: id,
  status,
  total: count(),
  queued: count(),
  duplicates: count(),
  invalid,
  invalid_count: count(),
  opted_out: count(),
  warnings,
});

/** `campaign_status`, and the calls that steer a campaign. */
export const campaignAnswer = answer(campaign);

/** `list_campaigns`. */
export const campaignsAnswer = answer({ campaigns: many(shape(campaign)), next });

/** `retry_failed`. */
export const retriedAnswer = answer({ retried: count(), ...campaign });

/** `campaign_recipients`. */
export const recipientsAnswer = answer({
  campaign: id,
  recipients: many(
    shape({
      phone_number: Joi.string(),
      status: oneOf(Object.keys(recipientStates)),
      reason: orNull(word()),
      message_id: orNull(Joi.string()),
      changed_at: orNull(moment()),
    }),
  ),
  next,
});

/** `simulate`. */
export const simulationAnswer = answer({
  finishes_at: orNull(moment()),
  days: many(shape({ date: Joi.string(), count: count() })),
  total: count(),
  duplicates: count(),
  invalid,
  invalid_count: count(),
  warnings,
});

/** `list_opt_outs`. */
export const optOutsAnswer = answer({
  opt_outs: many(shape({ phone_number: Joi.string(), source: word(), opted_out_at: moment() })),
  next,
});

/** `add_opt_outs`, `remove_opt_outs`. */
export const phonesAnswer = answer({ phone_numbers: many(Joi.string()) });

/** `get_opt_out_words`, `set_opt_out_words`. */
export const wordsAnswer = answer({ stop: many(word()), start: many(word()), confirmation: orNull(word()) });

const pacing = shape({
  median_seconds: Joi.number(),
  min_seconds: Joi.number(),
  max_seconds: Joi.number(),
  break_every_min: count(),
  break_every_max: count(),
  break_min_seconds: Joi.number(),
  break_max_seconds: Joi.number(),
  daily_cap: count(),
  new_chat_cap: count(),
  warm_up: Joi.boolean(),
});

/** `get_pacing`. */
export const pacingAnswer = answer({ instance_id: instanceId, pacing });

/** `set_pacing`. */
export const pacingSetAnswer = answer({ instance_id: instanceId, pacing, warnings });
