import Joi from 'joi';
import { list, optionalText } from '../../http/schema.ts';
import { type Message, type MessageState, messageStates } from '../../model/message.ts';
import { country, moment, pageCursor } from './inputs.ts';

/** What `list_messages` is given. */
export interface ListMessagesInput {
  instance_id?: string;
  from_number?: string;
  chat?: string;
  country?: string;
  direction?: Message['direction'];
  status?: MessageState[];
  campaign?: string;
  since?: string;
  until?: string;
  before?: string;
  limit: number;
}

/** `list_messages`. */
export const listMessagesInput = Joi.object<ListMessagesInput, true>({
  instance_id: optionalText().uppercase().max(32).description('Of this instance, also a deleted one; else of all'),
  from_number: optionalText().max(40).description('The instance by its number'),
  chat: optionalText().max(100).description('With this number, or in this chat').example('+255755123456'),
  country: country(),
  direction: optionalText().lowercase().valid('in', 'out').description('in: received; out: sent'),
  status: list()
    .items(
      Joi.string()
        .trim()
        .lowercase()
        .valid(...messageStates),
    )
    .single()
    .empty(Joi.valid('', null))
    .description('Only messages in this state, or one of these'),
  campaign: optionalText().uppercase().max(32).description('Of this campaign').example('WAP-CAM-0001'),
  since: moment().description('From this time on; without an offset in UTC. A scheduled message counts by its send_at'),
  until: moment().description('Before this time'),
  before: pageCursor(),
  limit: Joi.number().integer().min(1).max(500).empty(Joi.valid('', null)).default(50).description('How many at most'),
});
