import Joi from 'joi';
import { type Route, route } from '../../../http/route.ts';
import { choices, optionalText } from '../../../http/schema.ts';
import { type AuditAction, type AuditEntry, auditTable } from '../../../model/audit.ts';
import type { Core } from '../../core.ts';
import { auditAnswer } from '../answers/settings.ts';
import { moment, pageCursor } from '../inputs.ts';
import { reading } from '../methods.ts';
import { momentOf } from '../moment.ts';
import { time } from '../present.ts';

const pageSize = 50;

interface ListAuditInput {
  action?: AuditAction[];
  subject?: string;
  instance_id?: string;
  api_key?: string;
  since?: string;
  before?: string;
  limit?: number;
}

const listInput = Joi.object<ListAuditInput, true>({
  action: choices('action', Object.keys(auditTable))
    .description('Only these, e.g. webhook.updated')
    .example(['webhook.updated']),
  subject: optionalText().max(64).description('The id or key of what was changed'),
  instance_id: optionalText().uppercase().max(32).description('What concerns this instance'),
  api_key: optionalText().max(64).description('What this token did'),
  since: moment().description('From this time on; without an offset in UTC'),
  before: pageCursor(),
  limit: Joi.number().integer().min(1).max(200).empty(Joi.valid('', null)).description('50 by default'),
});

/** The method under `wap_bridge.api.settings` that tells who changed what. */
export function auditRoutes({ audit }: Pick<Core, 'audit'>): Route[] {
  return [
    route({
      method: reading,
      path: '/api/method/wap_bridge.api.settings.list_audit',
      summary: 'Lists who changed tokens, webhooks, instances and settings, newest first',
      scope: 'full',
      safe: true,
      body: listInput,
      answer: auditAnswer,
      async handle({ input, caller }) {
        const limit = input.limit ?? pageSize;
        const found = await audit.list(caller, {
          limit,
          ...(input.action && { actions: input.action }),
          ...(input.subject !== undefined && { subject: input.subject }),
          ...(input.instance_id !== undefined && { instanceId: input.instance_id }),
          ...(input.api_key !== undefined && { tokenKey: input.api_key }),
          ...(input.since !== undefined && { sinceAt: momentOf('since', input.since, 'UTC') }),
          ...(input.before !== undefined && { before: input.before }),
        });
        const next = found.length < limit ? null : (found.at(-1)?.id ?? null);
        return { ok: true, entries: found.map(presentEntry), next };
      },
    }),
  ];
}

function presentEntry({ id, createdAt, action, subject, instanceId, actor, changes }: AuditEntry): object {
  return {
    audit_id: id,
    at: time(createdAt),
    action,
    subject,
    instance_id: instanceId,
    by: actor.kind,
    api_key: actor.tokenKey,
    title: actor.title,
    ip: actor.ip,
    changes: Object.fromEntries(Object.entries(changes).map(([name, change]) => [snakeCase(name), change])),
  };
}

/** The API's own spelling of a field. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
