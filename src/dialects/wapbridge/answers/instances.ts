import Joi from 'joi';
import { count, many, moment, oneOf, orNull, shape, word } from '../../../http/answer-schema.ts';
import { conflictPolicies, instanceStates } from '../../../model/instance.ts';
import { messageStates } from '../../../model/message.ts';
import { answer, next } from './common.ts';

const id = Joi.string().example('INST-01-0000142');
const status = oneOf(instanceStates);

const instance = {
  instance_id: id,
  title: orNull(word()),
  phone_number: orNull(Joi.string()),
  default_country: orNull(Joi.string()),
  status,
  reason: orNull(word()),
  action: orNull(Joi.string()).description('What a person has to do'),
  since: moment(),
  attempts: count(),
  next_attempt_at: orNull(moment()),
  last_ready_at: orNull(moment()),
  on_conflict: oneOf(conflictPolicies),
  has_proxy: Joi.boolean(),
  user_agent: orNull(word()),
  missing_features: many(Joi.string()),
};

const feature = shape({ ok: Joi.boolean(), missing: many(Joi.string()).optional() });

const detailed = {
  ...instance,
  web_version: orNull(Joi.string()),
  features: orNull(Joi.object().pattern(Joi.string(), feature)),
  shims: orNull(
    many(shape({ name: Joi.string(), result: oneOf(['applied', 'not_needed', 'failed']), error: word().optional() })),
  ),
  self_test_at: orNull(moment()),
};

const change = shape({
  id: Joi.string(),
  at: moment(),
  status,
  action: orNull(Joi.string()),
  reason: orNull(word()),
});

/** `connect`, `disconnect`, `logout`. */
export const instanceAnswer = answer(instance);

/** `create_instance`. */
export const createdAnswer = answer({ instance_id: id, status });

/** `list_instances`. */
export const instancesAnswer = answer({ instances: many(shape(instance)) });

/** `instance_status`. */
export const detailedAnswer = answer(detailed);

/** `update_instance`. */
export const updatedAnswer = answer({ ...instance, restart_needed: Joi.boolean() });

/** `get_qr`, as JSON: the codes are there while one is shown. */
export const qrAnswer = answer({
  status,
  qr: Joi.string().optional(),
  qr_code: Joi.string().description('PNG as a data URL').optional(),
  expires_at: orNull(moment()).optional(),
});

/** `request_pairing_code`. */
export const pairingAnswer = answer({ code: Joi.string().example('ABCD-EFGH') });

/** Calls that answer with the instance's id alone. */
export const namedAnswer = answer({ instance_id: id });

/** `instance_history`. */
export const historyAnswer = answer({ history: many(change), next });

/** `record_web_version`. */
export const recordedAnswer = answer({ version: Joi.string(), recorded: Joi.boolean() });

/** `get_passkey_challenge`, `submit_passkey_assertion`. */
export const passkeyAnswer = answer({
  step: Joi.string(),
  options: orNull(Joi.object().unknown()),
  verification_code: orNull(Joi.string()),
  reason: orNull(word()),
  expires_at: moment(),
});

const browser = shape({
  version: orNull(Joi.string()),
  memory: orNull(shape({ pss_bytes: orNull(count()), rss_bytes: orNull(count()) })),
  page: Joi.alternatives().try(
    shape({ connection: orNull(Joi.string()), answered_in_ms: Joi.number() }),
    shape({ error: word() }),
  ),
  screenshot: orNull(Joi.string()).description('PNG as base64'),
});

/** `diagnose`. */
export const diagnosisAnswer = answer({
  ...detailed,
  desired_state: oneOf(['run', 'stopped']),
  last_received_at: orNull(moment()),
  created_at: moment(),
  queue: orNull(shape({ waiting: count(), scheduled: count(), oldest_at: orNull(moment()) })),
  profile_bytes: orNull(count()),
  browser: orNull(browser),
  history: many(change),
  failed_messages: many(
    shape({
      message: Joi.string(),
      status: oneOf(messageStates),
      reason: orNull(Joi.string()),
      created_at: moment(),
    }),
  ),
});
