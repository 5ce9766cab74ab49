import type { Attempt } from '../model/webhook.ts';

/** One HTTP try, as the table keeps it. */
export interface AttemptRow {
  id: string;
  delivery_id: string;
  endpoint_id: string;
  attempt: number;
  status: number | null;
  error: string | null;
  response: string | null;
  duration_ms: number;
  created_at: number;
}

/** The columns of an attempt, as they are written. */
export const attemptColumns = [
  'id',
  'delivery_id',
  'endpoint_id',
  'attempt',
  'status',
  'error',
  'response',
  'duration_ms',
  'created_at',
] as const satisfies readonly (keyof AttemptRow)[];

/** Returns the row of an attempt; errors are cut to the column. */
export function attemptRow(attempt: Attempt): AttemptRow {
  return {
    id: attempt.id,
    delivery_id: attempt.deliveryId,
    endpoint_id: attempt.endpointId,
    attempt: attempt.attempt,
    status: attempt.status,
    error: attempt.error?.slice(0, 255) ?? null,
    response: attempt.response,
    duration_ms: attempt.durationMs,
    created_at: attempt.createdAt,
  };
}

/** Returns the attempt of a row. */
export function attemptOf(row: AttemptRow): Attempt {
  return {
    id: row.id,
    deliveryId: row.delivery_id,
    endpointId: row.endpoint_id,
    attempt: row.attempt,
    status: row.status,
    error: row.error,
    response: row.response,
    durationMs: row.duration_ms,
    createdAt: Number(row.created_at),
  };
}
