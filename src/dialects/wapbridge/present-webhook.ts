import type { TestResult } from '../../core/webhook/sample.ts';
import type { Attempt, DeliveryRecord, Endpoint } from '../../model/webhook.ts';
import { time } from './present.ts';

/** Returns a webhook without its secrets. */
export function presentWebhook(endpoint: Endpoint): object {
  return {
    webhook_id: endpoint.id,
    title: endpoint.title,
    url: endpoint.url,
    events: endpoint.events,
    instance_id: endpoint.instanceId,
    dialect: endpoint.dialect,
    default: endpoint.isDefault,
    has_secret: endpoint.hasSecret,
    headers: endpoint.headerNames,
    ordered: endpoint.isOrdered,
    retry_seconds: endpoint.retrySeconds,
    enabled: endpoint.enabled,
    disabled_reason: endpoint.disabledReason,
    failures_in_a_row: endpoint.failStreak,
    failing_since: time(endpoint.firstFailureAt),
    paused_until: time(endpoint.openUntil),
    created_at: time(endpoint.createdAt),
  };
}

/** Returns a delivery: an event on its way to a webhook. */
export function presentDelivery(delivery: DeliveryRecord): object {
  return {
    delivery_id: delivery.id,
    webhook_id: delivery.endpointId,
    message_id: `msg_${delivery.eventId}`,
    event: delivery.event,
    instance_id: delivery.instanceId,
    status: delivery.state,
    attempts: delivery.attempt,
    next_attempt_at: delivery.state === 'retry' ? time(delivery.dueAt) : null,
    created_at: time(delivery.createdAt),
    finished_at: time(delivery.finishedAt),
  };
}

/** Returns one HTTP try. */
export function presentAttempt(attempt: Attempt): object {
  return {
    attempt_id: attempt.id,
    delivery_id: attempt.deliveryId,
    webhook_id: attempt.endpointId,
    attempt: attempt.attempt,
    http_status: attempt.status,
    error: attempt.error,
    response: attempt.response,
    duration_ms: attempt.durationMs,
    at: time(attempt.createdAt),
  };
}

/** Returns what a receiver said to a sample; `ok` is the call's own, `delivered` the receiver's. */
export function presentTest(result: TestResult): object {
  return {
    ok: true,
    delivered: result.ok,
    http_status: result.status,
    error: result.error,
    response: result.response,
    duration_ms: result.durationMs,
    sent: JSON.parse(result.body) as unknown,
  };
}
