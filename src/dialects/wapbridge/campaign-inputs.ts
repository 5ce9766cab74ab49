import Joi from 'joi';
import type { UploadedFile } from '../../http/body-params.ts';
import type { Rows } from '../../http/rows.ts';
import { list, optionalText, record, rows, text } from '../../http/schema.ts';
import {
  type CampaignState,
  type RecipientState,
  campaignNumber,
  campaignStates,
  recipientStates,
} from '../../model/campaign.ts';
import type { PacingInput, PlanInput, QuietHoursInput, WindowInput } from './campaign-plan.ts';
import { country, moment, pageCursor } from './inputs.ts';

const maxTextLength = 65_536;
const maxSeconds = 24 * 3600;
const maxPerDay = 1_000_000;

/** What `create_and_start_campaign` and `simulate` are given in common. */
export interface CampaignBody extends PlanInput {
  instance_id?: string;
  from_number?: string;
  campaign_name?: string;
  message?: string;
  caption?: string;
  recipients: Rows;
  variables?: Record<string, string | number | boolean | null>;
  country?: string;
}

/** What `create_and_start_campaign` is given. */
export interface CreateCampaignInput extends CampaignBody {
  media_data?: string;
  media_url?: string;
  mime_type?: string;
  filename?: string;
  file?: UploadedFile;
  recipient_events?: boolean;
  start?: boolean;
}

const pacingInput = record<PacingInput>({
  median_seconds: seconds().description('Half of the gaps between two sends are shorter').example(30),
  min_seconds: seconds().description('No gap is shorter').example(8),
  max_seconds: seconds().description('No gap is longer').example(150),
  break_every_min: count().description(
    'Least number of sends before a long break; 0 with break_every_max 0: no breaks',
  ),
  break_every_max: count().description('Most sends before a long break'),
  break_min_seconds: seconds().description('Shortest long break'),
  break_max_seconds: seconds().description('Longest long break'),
  daily_cap: count().min(1).description('Bulk messages a day').example(300),
  new_chat_cap: count().description('Of them, to people the number has no chat with yet').example(60),
  warm_up: flag().description('A newly linked number starts with 20 a day'),
});

const windowInput = record<WindowInput>({
  days: list()
    .items(Joi.number().integer().min(0).max(7), Joi.string().trim().lowercase())
    .description('Weekdays, mon … sun or 0 (Sunday) … 6; absent: every day'),
  from: clock().description('Opens at'),
  to: clock().description('Closes at; earlier than from: on the next day'),
  cron: optionalText().max(200).description('In place of the hours: open in every minute that this matches'),
  zone: zone().description('Time zone of the hours; absent: that of the instance’s number'),
})
  .empty(Joi.valid('', null))
  .description('When to send')
  .example({ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '09:00', to: '17:00', zone: 'Africa/Dar_es_Salaam' });

const quietHoursInput = Joi.alternatives()
  .try(
    record<QuietHoursInput>({ from: clock().required(), to: clock().required() }),
    Joi.valid(false, 'false', 'off', 'none', 0, '0'),
  )
  .empty(Joi.valid('', null))
  .messages({
    'alternatives.types': 'quiet_hours must be an object with from and to, such as 20:00 and 09:00, or false',
  })
  .description('When nobody is written to, by their own clock; default 20:00 to 09:00; false: none');

const plan = {
  instance_id: optionalText().uppercase().max(32).description('The instance that sends').example('INST-04-0000186'),
  from_number: optionalText().max(40).description('The instance by its number'),
  campaign_name: optionalText().max(140).description('A name for people').example('Promo Batch A'),
  message: text()
    .empty(Joi.valid('', null))
    .max(maxTextLength)
    .description('Text or caption; {{name}} and {{name|default}} are fields of the recipient, {a|b} alternatives')
    .example('Hello from WapBridge'),
  caption: text().empty(Joi.valid('', null)).max(maxTextLength).description('Same as message'),
  recipients: recipients().required(),
  variables: record<Record<string, string | number | boolean | null>>({})
    .pattern(
      Joi.string().max(100),
      Joi.alternatives().try(Joi.string().allow(''), Joi.number(), Joi.boolean()).allow(null),
    )
    .empty(Joi.valid('', null))
    .description('Stand in for fields that a recipient lacks'),
  country: country(),
  schedule_at: moment().description(
    'Starts then: ISO 8601, or Unix seconds; without an offset in the zone of the instance’s number',
  ),
  end_at: moment().description('Ends then; who has not been written to by then is cancelled'),
  window: windowInput,
  pacing: pacingInput.empty(Joi.valid('', null)).description('How fast to send; absent: the settings of the instance'),
  quiet_hours: quietHoursInput,
};

/** `create_and_start_campaign`. */
export const createCampaignInput = Joi.object<CreateCampaignInput, true>({
  ...plan,
  media_data: Joi.string().empty(Joi.valid('', null)).description('Base64 file content, for everybody'),
  media_url: optionalText().max(2048).description('Address of a file, in place of media_data'),
  mime_type: optionalText().max(140).example('image/jpeg'),
  filename: optionalText().max(255).description('Original file name'),
  file: upload().description('A file, in a multipart form'),
  recipient_events: flag().description('Tells the webhook the result of each recipient'),
  start: flag().description('false: makes a draft that resume_campaign starts'),
});

/** `simulate`. */
export const simulateInput = Joi.object<CampaignBody, true>(plan);

/** `add_campaign_recipients`. */
export const addRecipientsInput = Joi.object<
  { campaign: string; recipients?: Rows; file?: UploadedFile; country?: string },
  true
>({
  campaign: campaign(),
  recipients: recipients(),
  file: upload().description('The recipients as a CSV file, in a multipart form'),
  country: country(),
});

/** Calls that name a campaign and nothing else. */
export const campaignInput = Joi.object<{ campaign: string }, true>({ campaign: campaign() });

/** `list_campaigns`. */
export const listCampaignsInput = Joi.object<{ status?: CampaignState; before?: string; limit: number }, true>({
  status: optionalText()
    .lowercase()
    .valid(...campaignStates)
    .description('Only campaigns in this state'),
  before: pageCursor((text) => campaignNumber(text) !== null),
  limit: pageSize(20),
});

/** `campaign_recipients`. */
export const listRecipientsInput = Joi.object<
  { campaign: string; status?: RecipientState; after?: string; limit: number },
  true
>({
  campaign: campaign(),
  status: optionalText()
    .lowercase()
    .valid(...Object.keys(recipientStates))
    .description('Only recipients in this state'),
  after: pageCursor((text) => /^\d{1,9}:\d{1,15}$/.test(text)),
  limit: pageSize(100),
});

/** `list_opt_outs`. */
export const listOptOutsInput = Joi.object<{ after?: string; limit: number }, true>({
  after: pageCursor((text) => /^\d{1,17}$/.test(text)),
  limit: pageSize(100),
});

/** `add_opt_outs`, `remove_opt_outs`. */
export const optOutsInput = Joi.object<{ numbers: string[]; country?: string }, true>({
  numbers: list().items(text().trim().max(100)).single().min(1).max(1000).required().description('Phone numbers'),
  country: country(),
});

/** `set_opt_out_words`. */
export const optOutWordsInput = Joi.object<{ stop?: string[]; start?: string[]; confirmation?: string | false }, true>({
  stop: words().description('Words that opt out, as whole messages; absent with start: the gateway’s own'),
  start: words().description('Words that opt in again'),
  confirmation: Joi.alternatives()
    .try(Joi.valid(false), Joi.string().trim().max(1000))
    .empty(Joi.valid('', null))
    .description('Sent once to who opts out; false: nothing; absent: the gateway’s own'),
});

/** `get_pacing`. */
export const pacingOfInput = Joi.object<{ instance_id?: string; from_number?: string }, true>({
  instance_id: optionalText().uppercase().max(32).description('The instance'),
  from_number: optionalText().max(40).description('The instance by its number'),
});

/** `set_pacing`. */
export const setPacingInput = Joi.object<
  { instance_id?: string; from_number?: string; pacing: PacingInput | null },
  true
>({
  instance_id: optionalText().uppercase().max(32).description('The instance'),
  from_number: optionalText().max(40).description('The instance by its number'),
  pacing: pacingInput.allow(null).required().description('What differs from the safe pacing; null: nothing'),
});

function campaign(): Joi.StringSchema {
  return text().trim().uppercase().max(32).required().description('The campaign').example('WAP-CAM-0001');
}

function recipients(): Joi.ObjectSchema<Rows> {
  return rows()
    .description(
      'Numbers, or objects with phone_number (or to_number) and fields of their own; a JSON list, or CSV with a header row: as the body (text/csv) or as a file of a multipart form',
    )
    .example(['255757111111', { phone_number: '255757222222', name: 'Asha' }]);
}

function upload(): Joi.ObjectSchema<UploadedFile> {
  return Joi.object<UploadedFile>()
    .empty(Joi.valid('', null))
    .custom((file: Partial<UploadedFile>, helpers) =>
      Buffer.isBuffer(file.data) ? file : helpers.error('object.base', { type: 'file' }),
    );
}

function clock(): Joi.StringSchema {
  return optionalText()
    .pattern(/^\d{1,2}:[0-5]\d(:00)?$/)
    .message('{{#label}} must be a time such as 09:00')
    .example('09:00');
}

function zone(): Joi.StringSchema {
  return optionalText().max(40).example('Africa/Dar_es_Salaam');
}

function seconds(): Joi.NumberSchema {
  return Joi.number().min(0).max(maxSeconds);
}

function count(): Joi.NumberSchema {
  return Joi.number().integer().min(0).max(maxPerDay);
}

function flag(): Joi.BooleanSchema {
  return Joi.boolean().truthy(1, '1', 'yes', 'on').falsy(0, '0', 'no', 'off').empty(Joi.valid('', null));
}

function words(): Joi.ArraySchema {
  return list().items(Joi.string().trim().min(1).max(40)).single().max(200);
}

function pageSize(usual: number): Joi.NumberSchema {
  return Joi.number()
    .integer()
    .min(1)
    .max(1000)
    .empty(Joi.valid('', null))
    .default(usual)
    .description('How many at most');
}
