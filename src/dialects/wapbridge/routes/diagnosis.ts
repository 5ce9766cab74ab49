import Joi from 'joi';
import type { BrowserReport, Diagnosis } from '../../../core/diagnosis.ts';
import { type Route, route } from '../../../http/route.ts';
import { text } from '../../../http/schema.ts';
import type { InstanceChange } from '../../../model/instance.ts';
import type { Core } from '../../core.ts';
import { diagnosisAnswer, historyAnswer, recordedAnswer } from '../answers/instances.ts';
import { pageCursor } from '../inputs.ts';
import { changing, reading } from '../methods.ts';
import { presentInstanceStatus, time } from '../present.ts';

const path = '/api/method/wap_bridge.api.instances';

const diagnoseInput = Joi.object<{ instance_id: string; screenshot?: boolean }, true>({
  instance_id: instanceId(),
  screenshot: Joi.boolean()
    .truthy('1', 'yes', 'on', 1)
    .falsy('0', 'no', 'off', 0)
    .empty(Joi.valid('', null))
    .description('Also a picture of the page, PNG as base64; it may show chats, or a QR code that links a phone'),
});

const historyInput = Joi.object<{ instance_id: string; before?: string; limit?: number }, true>({
  instance_id: instanceId(),
  before: pageCursor(),
  limit: Joi.number().integer().min(1).max(500).empty(Joi.valid('', null)).description('50 by default'),
});

/** The methods under `wap_bridge.api.instances` for who wants to know why an instance does not work. */
export function diagnosisRoutes({
  diagnoses,
  history,
  webRecorder,
}: Pick<Core, 'diagnoses' | 'history' | 'webRecorder'>): Route[] {
  return [
    route({
      method: reading,
      path: `${path}.diagnose`,
      summary: 'Looks into an instance: states, queue, failures, browser and page, however dead they are',
      scope: 'full',
      safe: true,
      body: diagnoseInput,
      answer: diagnosisAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentDiagnosis(
          await diagnoses.diagnose(caller, input.instance_id, { screenshot: input.screenshot ?? false }),
        ),
      }),
    }),
    route({
      method: reading,
      path: `${path}.instance_history`,
      summary: 'Lists the changes of an instance’s state, newest first, of the last 90 days',
      scope: 'full',
      safe: true,
      body: historyInput,
      answer: historyAnswer,
      async handle({ input, caller }) {
        const { before, limit = 50 } = input;
        const changes = await history.list(caller, input.instance_id, {
          limit,
          ...(before !== undefined && { before }),
        });
        return { ok: true, history: changes.map(presentChange), next: changes[limit - 1]?.id ?? null };
      },
    }),
    route({
      method: changing,
      path: `${path}.record_web_version`,
      summary: 'Records the page of WhatsApp Web that an instance has open, so that it can be pinned later',
      scope: 'full',
      body: Joi.object<{ instance_id: string }, true>({ instance_id: instanceId() }),
      answer: recordedAnswer,
      async handle({ input, caller }) {
        const { version, isNew } = await webRecorder.record(caller, input.instance_id);
        return { ok: true, version, recorded: isNew };
      },
    }),
  ];
}

function presentDiagnosis(diagnosis: Diagnosis): object {
  const { instance, history, queue, failedMessages, profileBytes, browser } = diagnosis;
  return {
    ...presentInstanceStatus(instance),
    desired_state: instance.desiredState,
    last_received_at: time(instance.lastEventAt),
    created_at: time(instance.createdAt),
    queue: queue && { waiting: queue.count, scheduled: queue.scheduled, oldest_at: time(queue.oldestAt) },
    profile_bytes: profileBytes,
    browser: browser && presentBrowser(browser),
    history: history.map(presentChange),
    failed_messages: failedMessages.map((message) => ({
      message: message.waId,
      status: message.state,
      reason: message.reason,
      created_at: time(message.createdAt),
    })),
  };
}

function presentBrowser({ version, memory, page, screenshot }: BrowserReport): object {
  return {
    version,
    memory: memory && { pss_bytes: memory.pssBytes, rss_bytes: memory.rssBytes },
    page: 'error' in page ? page : { connection: page.connection, answered_in_ms: page.answeredInMs },
    screenshot: screenshot && screenshot.toString('base64'),
  };
}

function presentChange({ id, state, code, reason, createdAt }: InstanceChange): object {
  return { id, at: time(createdAt), status: state, action: code, reason };
}

function instanceId(): Joi.StringSchema {
  return text().trim().uppercase().max(32).required().description('The instance').example('INST-01-0000142');
}
