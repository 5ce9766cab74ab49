import type { Logger } from 'pino';
import { GatewayError, reasonOf } from '../../model/errors.ts';
import type { Clock } from '../../model/time.ts';
import type { Attempt, WebhookDialect } from '../../model/webhook.ts';
import type { Outbound } from '../../outbound.ts';
import type { StoredEndpoint } from '../../store/webhooks.ts';
import { withoutConfidences } from './confidence.ts';
import type { EndpointKeys, Job } from './lane.ts';
import { type WebhookComposer, webhookHeaders } from './request.ts';
import type { TryOutcome } from './schedule.ts';

/** What came of delivering once. */
export interface DeliveryEnd {
  /** As it was when the request was made. */
  endpoint: StoredEndpoint;
  outcome: TryOutcome;
  attempts: Attempt[];
  /** False when there was nothing to send, so that it says nothing about the receiver. */
  asked: boolean;
  /** True when no retry can help. */
  final: boolean;
}

interface DelivererDeps {
  composer: WebhookComposer;
  dialects: () => Readonly<Record<string, WebhookDialect>>;
  outbound: Pick<Outbound, 'post'>;
  timeoutMs: number;
  /** A connection that fails sooner than this is tried once more at once. */
  instantRetryMs: number;
  userAgent: string;
  clock: Pick<Clock, 'now'>;
  newId: () => string;
  log: Logger;
}

const connectionFailed = 'The connection failed';

/** Returns the function that words, signs and posts one delivery. It does not reject. */
export function createDeliverer(
  deps: DelivererDeps,
): (input: { endpoint: StoredEndpoint; keys: EndpointKeys; job: Job }) => Promise<DeliveryEnd> {
  const { clock, log } = deps;

  /** Returns the body, or what is noted when there is none. */
  async function compose(
    dialect: WebhookDialect | undefined,
    { delivery: { id, event }, message, instance }: Job,
  ): Promise<string | { error: string; final: boolean }> {
    try {
      const body = dialect ? await deps.composer.body({ dialect, event, message, instance }) : null;
      return body ?? { error: 'The dialect has no such event', final: true };
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'too_large') return { error: error.message, final: true };
      log.error({ event: event.type, delivery: id, error: reasonOf(error) }, 'webhook body could not be made');
      // Errors with a code come from the disk or the database and may pass; a renderer fails the same way each time.
      return { error: 'The body could not be made', final: (error as NodeJS.ErrnoException).code === undefined };
    }
  }

  async function post(
    endpoint: StoredEndpoint,
    keys: EndpointKeys,
    request: { headers: Record<string, string>; body: string },
  ): Promise<TryOutcome> {
    const startedAt = performance.now();
    try {
      const {
        body: said,
        retryAfterSeconds = null,
        ...answer
      } = await deps.outbound.post(endpoint.url, { ...request, timeoutMs: deps.timeoutMs });
      const response = withoutConfidences(said, { url: endpoint.url, keys });
      return { ...answer, error: null, timedOut: false, retryAfterSeconds, response };
    } catch (error) {
      const failure = error instanceof GatewayError ? error.details?.failure : 'connection';
      log.info({ endpoint: endpoint.id, error: reasonOf(error), cause: causeOf(error) }, 'webhook request failed');
      const durationMs = Math.round(performance.now() - startedAt);
      return {
        ...noAnswer(failure === 'connection' ? connectionFailed : reasonOf(error)),
        timedOut: failure === 'timeout',
        durationMs,
      };
    }
  }

  return async ({ endpoint, keys, job }) => {
    const attempts: Attempt[] = [];
    const note = (outcome: TryOutcome) => {
      attempts.push(toAttempt({ id: deps.newId(), job, outcome, now: clock.now() }));
      return outcome;
    };
    const dialect = deps.dialects()[endpoint.dialect];
    const body = await compose(dialect, job);
    if (typeof body !== 'string' || !dialect) {
      const { error, final } = typeof body === 'string' ? { error: 'The dialect is not there', final: true } : body;
      return { endpoint, outcome: note(noAnswer(error)), attempts, asked: false, final };
    }

    const tryOnce = async () => {
      const headers = webhookHeaders({
        dialect,
        keys,
        eventId: job.delivery.event.id,
        body,
        now: clock.now(),
        userAgent: deps.userAgent,
      });
      return note(await post(endpoint, keys, { headers, body }));
    };
    let outcome = await tryOnce();
    // A connection kept alive may close just as it is used; a receiver that restarts refuses for a moment.
    if (outcome.error === connectionFailed && outcome.durationMs < deps.instantRetryMs) outcome = await tryOnce();
    return { endpoint, outcome, attempts, asked: true, final: false };
  };
}

function noAnswer(error: string): TryOutcome {
  return { status: null, error, timedOut: false, retryAfterSeconds: null, response: null, durationMs: 0 };
}

function toAttempt({
  id,
  job: { delivery },
  outcome,
  now,
}: {
  id: string;
  job: Job;
  outcome: TryOutcome;
  now: number;
}): Attempt {
  const { status, error, response, durationMs } = outcome;
  return {
    id,
    deliveryId: delivery.id,
    endpointId: delivery.endpointId,
    attempt: delivery.attempt + 1,
    status,
    error,
    response,
    durationMs,
    createdAt: now,
  };
}

/** For the operator's log only: it may name private addresses. */
function causeOf(error: unknown): string | undefined {
  return error instanceof Error && error.cause !== undefined ? reasonOf(error.cause) : undefined;
}
