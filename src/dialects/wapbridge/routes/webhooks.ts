import type { EndpointChanges } from '../../../core/webhook/endpoint-patch.ts';
import type { EndpointOwner } from '../../../core/webhook/endpoints.ts';
import { type Route, route } from '../../../http/route.ts';
import type { Caller } from '../../../model/token.ts';
import type { Core } from '../../core.ts';
import {
  attemptsAnswer,
  deliveriesAnswer,
  deliveryAnswer,
  replayAnswer,
  webhookAnswer,
  webhookGoneAnswer,
  webhookTestAnswer,
  webhooksAnswer,
} from '../answers/settings.ts';
import { changing, reading } from '../methods.ts';
import { momentOf } from '../moment.ts';
import { presentAttempt, presentDelivery, presentTest, presentWebhook } from '../present-webhook.ts';
import {
  createWebhookInput,
  type HistoryInput,
  listAttemptsInput,
  listDeliveriesInput,
  listWebhooksInput,
  oneWebhookInput,
  replayInput,
  resendInput,
  updateWebhookInput,
  type WebhookChanges,
} from '../webhook-inputs.ts';

const path = '/api/method/wap_bridge.api.settings';
const pageSize = 50;
const hourMs = 3_600_000;

/** The methods under `wap_bridge.api.settings` for several webhooks: their management, history and replay. */
export function webhookRoutes({ webhooks, instances }: Pick<Core, 'webhooks' | 'instances'>): Route[] {
  return [
    route({
      method: reading,
      path: `${path}.list_webhooks`,
      summary: 'Lists the webhooks and how they are doing',
      scope: 'full',
      safe: true,
      body: listWebhooksInput,
      answer: webhooksAnswer,
      handle: async ({ caller }) => ({
        ok: true,
        webhooks: (await webhooks.list(ownerOf(caller))).map(presentWebhook),
      }),
    }),
    route({
      method: changing,
      path: `${path}.create_webhook`,
      summary: 'Adds a webhook beside those that are there',
      scope: 'full',
      body: createWebhookInput,
      answer: webhookAnswer,
      async handle({ input, caller }) {
        const named = input.instance_id ?? caller.token.instanceId;
        const instanceId = named === null ? null : (await instances.get(caller, named)).id;
        const created = { ...changesOf(input), url: input.url, instanceId, dialect: input.dialect ?? 'wapbridge' };
        return { ok: true, ...presentWebhook(await webhooks.create(ownerOf(caller), created)) };
      },
    }),
    route({
      method: changing,
      path: `${path}.update_webhook`,
      summary: 'Changes a webhook; what is absent stays as it is',
      scope: 'full',
      body: updateWebhookInput,
      answer: webhookAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentWebhook(await webhooks.update(ownerOf(caller), input.webhook_id, changesOf(input))),
      }),
    }),
    route({
      method: changing,
      path: `${path}.delete_webhook`,
      summary: 'Removes a webhook with what waits for it and its history',
      scope: 'full',
      body: oneWebhookInput,
      answer: webhookGoneAnswer,
      async handle({ input, caller }) {
        await webhooks.remove(ownerOf(caller), input.webhook_id);
        return { ok: true, webhook_id: input.webhook_id };
      },
    }),
    route({
      method: changing,
      path: `${path}.test_webhook`,
      summary: 'Posts a sample to a webhook and shows the answer',
      scope: 'full',
      body: oneWebhookInput,
      answer: webhookTestAnswer,
      handle: async ({ input, caller }) => presentTest(await webhooks.test(ownerOf(caller), input.webhook_id)),
    }),
    route({
      method: reading,
      path: `${path}.list_webhook_deliveries`,
      summary: 'Lists deliveries, newest first',
      scope: 'full',
      safe: true,
      body: listDeliveriesInput,
      answer: deliveriesAnswer,
      async handle({ input, caller }) {
        const filter = { ...pageOf(input), ...(input.status && { states: input.status }) };
        const found = await webhooks.deliveries(ownerOf(caller), filter);
        return { ok: true, deliveries: found.map(presentDelivery), next: found[filter.limit - 1]?.id ?? null };
      },
    }),
    route({
      method: reading,
      path: `${path}.list_webhook_attempts`,
      summary: 'Lists the HTTP tries with their answers, newest first',
      scope: 'full',
      safe: true,
      body: listAttemptsInput,
      answer: attemptsAnswer,
      async handle({ input, caller }) {
        const filter = {
          ...pageOf(input),
          ...(input.delivery_id !== undefined && { deliveryId: input.delivery_id }),
          ...(input.failed !== undefined && { failed: input.failed }),
        };
        const found = await webhooks.attempts(ownerOf(caller), filter);
        return { ok: true, attempts: found.map(presentAttempt), next: found[filter.limit - 1]?.id ?? null };
      },
    }),
    route({
      method: changing,
      path: `${path}.resend_webhook_delivery`,
      summary: 'Sends a delivery again, with the same webhook-id',
      scope: 'full',
      body: resendInput,
      answer: deliveryAnswer,
      handle: async ({ input, caller }) => ({
        ok: true,
        ...presentDelivery(await webhooks.resend(ownerOf(caller), input.delivery_id)),
      }),
    }),
    route({
      method: changing,
      path: `${path}.replay_webhook`,
      summary: 'Sends the past of a webhook again: what failed, what it never got, or everything since a time',
      scope: 'full',
      body: replayInput,
      answer: replayAnswer,
      async handle({ input, caller }) {
        const { count, more } = await webhooks.replay(ownerOf(caller), {
          endpointId: input.webhook_id,
          sinceAt: momentOf('since', input.since, 'UTC'),
          mode: input.what ?? 'failed',
        });
        return { ok: true, webhook_id: input.webhook_id, queued: count, more };
      },
    }),
  ];
}

/** A token of one instance sees and changes the webhooks of that instance only. */
function ownerOf(caller: Caller): EndpointOwner {
  return { accountId: caller.accountId, boundTo: caller.token.instanceId, by: caller };
}

function changesOf(input: WebhookChanges): EndpointChanges {
  const { url, title, secret, events, headers, ordered, retry_seconds: retrySeconds, enabled } = input;
  const overlapHours = input.secret_overlap_hours;
  return {
    ...(url !== undefined && { url }),
    ...(title !== undefined && { title: title || null }),
    ...(secret !== undefined && { secret: secret || null }),
    ...(overlapHours !== undefined && { overlapMs: overlapHours * hourMs }),
    ...(events !== undefined && { events }),
    ...(headers !== undefined && { headers }),
    ...(ordered !== undefined && { isOrdered: ordered }),
    ...(retrySeconds !== undefined && { retrySeconds }),
    ...(enabled !== undefined && { enabled }),
  };
}

function pageOf({ webhook_id: endpointId, event, since, before, limit }: HistoryInput) {
  return {
    limit: limit ?? pageSize,
    ...(endpointId !== undefined && { endpointId }),
    ...(event && { events: event }),
    ...(since !== undefined && { sinceAt: momentOf('since', since, 'UTC') }),
    ...(before !== undefined && { before }),
  };
}
