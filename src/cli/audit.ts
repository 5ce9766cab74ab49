import { type AuditEntry, auditTable, isAuditAction } from '../model/audit.ts';
import { isUlid } from '../model/ids.ts';
import { parseIsoTime } from '../model/time.ts';
import { type Command, columns, time, type Typed, UsageError } from './command.ts';
import { withStore } from './store.ts';

/** `audit …`: who changed what; works with and without a running gateway. */
export const auditCommands: Record<string, Command> = {
  list: {
    summary: 'Lists who changed tokens, webhooks, instances and settings, newest first.',
    options: {
      action: { type: 'string', value: 'LIST', doc: `Only these: ${Object.keys(auditTable).join(', ')}` },
      subject: { type: 'string', value: 'ID', doc: 'Of this token, webhook, instance or campaign' },
      key: { type: 'string', value: 'KEY', doc: 'What this token did' },
      since: { type: 'string', value: 'TIME', doc: 'From this time on, such as 2026-11-20T08:00:00Z' },
      before: { type: 'string', value: 'ID', doc: 'What stands before this one, for the next page' },
      limit: { type: 'string', value: 'N', doc: 'So many, 50 by default' },
    },
    async run(typed, context) {
      const filter = filterOf(typed);
      const found = await withStore(context, ({ caller, audit }) => audit.list(caller, filter));
      if (found.length === 0) context.warn('Nothing of that kind was changed.');
      else context.print(columns([heads, ...found.map(rowOf)]).join('\n'));
    },
  },
};

/** @throws UsageError */
function filterOf(typed: Typed) {
  const [action, subject, key] = ['action', 'subject', 'key'].map((name) => typed.text(name));
  const [since, before] = [typed.text('since'), typed.text('before')?.toUpperCase()];
  const actions = action?.split(',').map((one) => one.trim());
  const unknown = actions?.filter((one) => !isAuditAction(one)) ?? [];
  if (unknown.length > 0) throw new UsageError(`There is no action called ${unknown.join(', ')}`);
  const sinceAt = since === undefined ? undefined : parseIsoTime(since);
  if (Number.isNaN(sinceAt)) throw new UsageError(`--since ${since} is no time`);
  if (before !== undefined && !isUlid(before)) throw new UsageError('--before is an ID as `audit list` shows it');
  const limit = Number(typed.text('limit') ?? 50);
  if (!Number.isInteger(limit) || limit < 1) throw new UsageError('--limit is a number from 1 on');
  return {
    limit,
    ...(actions && { actions: actions.filter(isAuditAction) }),
    ...(subject !== undefined && { subject }),
    ...(key !== undefined && { tokenKey: key }),
    ...(sinceAt !== undefined && { sinceAt }),
    ...(before !== undefined && { before }),
  };
}

const heads = ['AT', 'ACTION', 'SUBJECT', 'BY', 'IP', 'CHANGES', 'ID'];

function rowOf({ id, createdAt, action, subject, actor, changes }: AuditEntry): string[] {
  const by = actor.kind === 'token' ? `${actor.tokenKey} (${actor.title})` : actor.kind.replace('_', ' ');
  return [time(createdAt), action, subject ?? '-', by, actor.ip ?? '-', changesText(changes), id];
}

function changesText(changes: AuditEntry['changes']): string {
  const words = Object.entries(changes).map(([name, { from, to }]) => {
    const [before, after] = [from, to].map((value) => (value === undefined ? '-' : text(value)));
    const field = name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    return from === undefined ? `${field}: ${after}` : `${field}: ${before} → ${after}`;
  });
  return words.join('; ').replaceAll(/\s+/g, ' ').slice(0, 200) || '-';
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
