import { GatewayError, reasonOf } from '../../model/errors.ts';
import type { GatewayEvent } from '../../model/events.ts';
import type { Instance } from '../../model/instance.ts';
import { phoneJid } from '../../model/jid.ts';
import type { Message } from '../../model/message.ts';
import type { Clock } from '../../model/time.ts';
import type { WebhookDialect } from '../../model/webhook.ts';
import type { Outbound } from '../../outbound.ts';
import type { StoredEndpoint } from '../../store/webhooks.ts';
import type { Secrets } from '../secrets.ts';
import { withoutConfidences } from './confidence.ts';
import { openKeys } from './loader.ts';
import { type WebhookComposer, webhookHeaders } from './request.ts';

/** What a receiver said to a sample. */
export interface TestResult {
  /** True for 2xx. */
  ok: boolean;
  /** Null when no answer came. */
  status: number | null;
  /** In generic words, null when an answer came. */
  error: string | null;
  /** The start of the answer's body. */
  response: string | null;
  durationMs: number;
  /** What was sent. */
  body: string;
}

/** What samples stand on. */
export interface SampleDeps {
  composer: WebhookComposer;
  dialects: () => Readonly<Record<string, WebhookDialect>>;
  outbound: Pick<Outbound, 'post'>;
  secrets: Pick<Secrets, 'open'>;
  instances: { byIds(ids: string[]): Promise<Instance[]> };
  clock: Pick<Clock, 'now'>;
  newId: () => string;
  userAgent: string;
  timeoutMs: number;
}

/** Returns what posts a sample to an endpoint; nothing of it is stored. It throws not_supported when the dialect has none. */
export function createSampler(deps: SampleDeps): (endpoint: StoredEndpoint) => Promise<TestResult> {
  const { clock } = deps;

  async function sampleBody(endpoint: StoredEndpoint, dialect: WebhookDialect, eventId: string): Promise<string> {
    const now = clock.now();
    const event: GatewayEvent<'message.received'> = {
      id: eventId,
      accountId: endpoint.accountId,
      instanceId: endpoint.instanceId,
      type: 'message.received',
      payload: { messageId: eventId },
      orderKey: '',
      createdAt: now,
    };
    const [instance] = endpoint.instanceId === null ? [] : await deps.instances.byIds([endpoint.instanceId]);
    const body = await deps.composer.body({ dialect, event, message: sampleMessage(event, now), instance });
    if (body === null) throw new GatewayError('not_supported', `${endpoint.dialect} has no sample`);
    return body;
  }

  return async (endpoint) => {
    const dialect = deps.dialects()[endpoint.dialect];
    if (!dialect) throw new GatewayError('not_supported', `The dialect ${endpoint.dialect} is not there`);
    const eventId = deps.newId();
    const body = await sampleBody(endpoint, dialect, eventId);
    const keys = openKeys(deps.secrets, endpoint);
    const headers = webhookHeaders({
      dialect,
      keys,
      eventId,
      body,
      now: clock.now(),
      userAgent: deps.userAgent,
    });
    const startedAt = performance.now();
    try {
      const answer = await deps.outbound.post(endpoint.url, { body, headers, timeoutMs: deps.timeoutMs });
      const { status, durationMs } = answer;
      const response = withoutConfidences(answer.body, { url: endpoint.url, keys });
      return { ok: status >= 200 && status < 300, status, error: null, response, durationMs, body };
    } catch (error) {
      const durationMs = Math.round(performance.now() - startedAt);
      return { ok: false, status: null, error: reasonOf(error), response: null, durationMs, body };
    }
  };
}

function sampleMessage({ id, accountId, instanceId }: GatewayEvent, now: number): Message {
  const sender = phoneJid('255700000000');
  return {
    id,
    accountId,
    instanceId: instanceId ?? '',
    direction: 'in',
    waId: '3EB0000000000000000000',
    waKey: `false_${sender}_3EB0000000000000000000`,
    chat: sender,
    sender,
    senderPhone: '255700000000',
    senderName: 'WapBridge Gateway',
    content: { type: 'text', text: 'This is a test of your webhook.' },
    state: 'received',
    reason: null,
    ack: 0,
    priority: 1,
    attempts: 0,
    expiresAt: null,
    sendAt: null,
    createdAt: now,
    happenedAt: now,
    ackedAt: null,
  };
}
