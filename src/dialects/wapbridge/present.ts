import type { Answer } from '../../http/answer.ts';
import { ietfLimitHeaders, type LimitState } from '../../http/limit.ts';
import type { ApiRequest } from '../../http/request.ts';
import { type GatewayError, errorTable } from '../../model/errors.ts';
import { featureList, missingFeatures } from '../../model/features.ts';
import type { Instance } from '../../model/instance.ts';
import type { Message } from '../../model/message.ts';
import type { NumberCheck } from '../../core/contacts.ts';
import type { EndpointView } from '../core.ts';
import { fieldsOf, toFrappeError } from './errors.ts';

/**
 * Returns a success in Frappe's envelope. Objects stand at the top level, as the source shows them, and under `message`, where
 * every Frappe client looks; `/api/v2` has its own envelope.
 */
export function presentSuccess(result: unknown, request: ApiRequest): Answer {
  if (isV2(request)) return { status: 200, body: { data: result ?? null } };
  if (result === undefined || result === null) return { status: 200, body: {} };
  if (typeof result !== 'object' || Array.isArray(result)) return { status: 200, body: { message: result } };
  return { status: 200, body: { ...result, message: result } };
}

/**
 * Returns an error in Frappe's envelope (frappe-wire 1.4). `exc` is a JSON text of a list, since clients parse it and take the
 * first line; it never holds a stack. `message` is there for frappe-js-sdk, which shows nothing else.
 */
export function presentFailure(error: GatewayError, request: ApiRequest): Answer {
  const { status, type, module } = toFrappeError(error);
  const message = error.code === 'internal_error' ? errorTable.internal_error.sentence : error.message;
  const exception = `${module ? `${module}.` : ''}${type}: ${message}`;
  const shown = { message: escapeHtml(message), title: 'Message', indicator: 'red', raise_exception: 1 };
  if (isV2(request)) return { status, body: { errors: [{ type, exception, ...shown, code: error.code }] } };
  const fields = fieldsOf(error);
  return {
    status,
    body: {
      ok: false,
      exc_type: type,
      exception,
      exc: JSON.stringify([`${exception}\n`]),
      _server_messages: JSON.stringify([JSON.stringify(shown)]),
      message,
      code: error.code,
      ...(fields ? { fields } : {}),
      ...(!fields && error.details?.status ? { status: error.details.status } : {}),
      ...(error.details?.choices ? { choices: error.details.choices } : {}),
      ...(error.details?.invalid ? { invalid: error.details.invalid } : {}),
    },
  };
}

/** Returns Frappe's rate-limit headers: `Reset` counts down in seconds (frappe-wire 1.5). */
export function presentLimit(state: LimitState): Record<string, string> {
  return {
    'X-RateLimit-Limit': String(state.limit),
    'X-RateLimit-Remaining': String(state.remaining),
    'X-RateLimit-Reset': String(Math.ceil(state.resetMs / 1000)),
    'X-RateLimit-Used': String(Math.min(state.used, state.limit)),
    ...ietfLimitHeaders(state),
  };
}

/** Returns the answer to a send: `{"ok":true,"service":{"ok":true,"id":"true_…"}}` (seed 004), and how far it has come. */
export function presentSend(message: Message): object {
  // What WhatsApp Web has not answered for yet is queued to the caller, wherever it is.
  const status = message.state === 'sending' ? 'queued' : message.state;
  return {
    ok: true,
    service: { ok: true, id: message.waKey },
    status,
    ...(message.sendAt !== null && { send_at: time(message.sendAt) }),
  };
}

/** Returns an instance as `list_instances` and `instance_status` show it. */
export function presentInstance(instance: Instance): object {
  return {
    instance_id: instance.id,
    title: instance.title,
    phone_number: instance.phone,
    default_country: instance.defaultCountry,
    status: instance.state,
    reason: instance.reason,
    action: instance.actionCode,
    since: time(instance.stateSince),
    attempts: instance.attempts,
    next_attempt_at: time(instance.nextAttemptAt),
    last_ready_at: time(instance.lastReadyAt),
    on_conflict: instance.onConflict,
    has_proxy: instance.proxySealed !== null,
    user_agent: instance.userAgent,
    missing_features: instance.selfTest ? missingFeatures(instance.selfTest) : [],
  };
}

/** Returns an instance with what its page was last found to have, feature by feature. */
export function presentInstanceStatus(instance: Instance): object {
  const { selfTest } = instance;
  return {
    ...presentInstance(instance),
    web_version: instance.webVersion,
    features: selfTest && Object.fromEntries(featureList(selfTest).map(presentFeature)),
    shims: selfTest?.shims ?? null,
    self_test_at: time(instance.selfTestAt),
  };
}

function presentFeature({ feature, missing }: { feature: string; missing: string[] }): [string, object] {
  return [feature, missing.length === 0 ? { ok: true } : { ok: false, missing }];
}

/** Returns how far an outgoing message has come. */
export function presentStatus(message: Message): object {
  return {
    ok: true,
    id: message.waKey,
    status: message.state,
    reason: message.reason,
    ...(message.sendAt !== null && { send_at: time(message.sendAt) }),
    acked_at: time(message.ackedAt),
  };
}

/** Returns whether a number is on WhatsApp. */
export function presentNumber(checked: NumberCheck): object {
  return {
    number: checked.number,
    on_whatsapp: checked.onWhatsApp,
    jid: checked.jid,
    ...(checked.error === undefined ? {} : { error: checked.error }),
  };
}

/** Returns a webhook receiver without its secret. */
export function presentEndpoint(endpoint: EndpointView | null): object {
  if (!endpoint) return { ok: true, url: null };
  return {
    ok: true,
    url: endpoint.url,
    events: endpoint.events,
    instance_id: endpoint.instanceId,
    has_secret: endpoint.hasSecret,
    enabled: endpoint.enabled,
    disabled_reason: endpoint.disabledReason,
  };
}

/** Returns Unix ms as ISO 8601 in UTC. */
export function time(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

function isV2(request: ApiRequest): boolean {
  return request.path.startsWith('/api/v2/');
}

/** Frappe's desk shows `_server_messages` as HTML, and a message may repeat what the caller sent. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? char);
}
