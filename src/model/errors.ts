/**
 * Every failure the core can report: code → HTTP status and the sentence used when the thrower has none better.
 * A dialect may map a code to its own status and wording; a code without a row does not compile.
 */
export const errorTable = {
  invalid_input: { status: 422, sentence: 'The request is not valid' },
  invalid_number: { status: 422, sentence: 'The phone number is not valid' },
  invalid_media: { status: 422, sentence: 'The media is not valid' },
  not_on_whatsapp: { status: 422, sentence: 'The phone number is not on WhatsApp' },
  blocked_address: {
    status: 422,
    sentence: 'The address is not allowed; networks of your own must stand in WEBHOOK_ALLOW_CIDRS',
  },
  malformed_body: { status: 400, sentence: 'The request body could not be read' },
  unauthenticated: { status: 401, sentence: 'The credentials are not valid' },
  forbidden: { status: 403, sentence: 'This is not permitted' },
  not_found: { status: 404, sentence: 'Not found' },
  method_not_allowed: { status: 405, sentence: 'The HTTP method is not allowed here' },
  instance_not_found: { status: 404, sentence: 'The instance does not exist' },
  instance_ambiguous: { status: 409, sentence: 'Several instances match: name one' },
  instance_not_ready: { status: 409, sentence: 'The instance is not connected to WhatsApp' },
  conflict: { status: 409, sentence: 'The request conflicts with the current state' },
  too_late: { status: 409, sentence: 'It is too late for that' },
  idempotency_conflict: { status: 409, sentence: 'This Idempotency-Key was used with another request' },
  too_large: { status: 413, sentence: 'The request is too large' },
  rate_limited: { status: 429, sentence: 'Too many requests' },
  send_failed: { status: 502, sentence: 'WhatsApp did not accept the message' },
  fetch_failed: { status: 502, sentence: 'The address could not be fetched' },
  feature_unavailable: { status: 501, sentence: 'This page of WhatsApp Web does not have what it takes' },
  not_supported: { status: 501, sentence: 'WhatsApp Web does not offer this at the moment' },
  storage_full: { status: 507, sentence: 'There is no room left on the disk of the gateway: try again later' },
  outcome_unknown: { status: 500, sentence: 'It is not known whether that was done: look before you ask again' },
  unavailable: { status: 503, sentence: 'The gateway is not available at the moment' },
  internal_error: { status: 500, sentence: 'Internal error' },
} as const satisfies Record<string, { status: number; sentence: string }>;

/** The closed set of failure codes. */
export type ErrorCode = keyof typeof errorTable;

/** What may accompany an error beside its code and sentence. */
interface ErrorDetails {
  /** Field name → sentence, or other facts that a caller may be shown. */
  details?: Record<string, unknown>;
  /** Seconds after which a retry makes sense. */
  retryAfterSeconds?: number;
  cause?: unknown;
}

/** The one error class of the gateway: thrown where the failure is known, caught only at the edge that answers. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly details: Record<string, unknown> | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message?: string, options: ErrorDetails = {}) {
    super(message ?? errorTable[code].sentence, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.details = options.details;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** The HTTP status of the code's row; a dialect may answer another. */
  get status(): number {
    return errorTable[this.code].status;
  }
}

/** What the disk and the databases say when they are full or away, by the `code` of their errors. */
const outages: Record<string, { code: ErrorCode; retryAfterSeconds: number }> = {
  ...named('storage_full', 60, ['ENOSPC', 'EDQUOT', 'SQLITE_FULL', 'ER_DISK_FULL', 'ER_RECORD_FILE_FULL']),
  ...named('unavailable', 5, [
    'DATABASE_TIMEOUT',
    'OUTDATED',
    'SQLITE_BUSY',
    'ER_LOCK_DEADLOCK',
    'ER_LOCK_WAIT_TIMEOUT',
    'ER_CON_COUNT_ERROR',
    'ER_SERVER_SHUTDOWN',
  ]),
};

function named(code: ErrorCode, retryAfterSeconds: number, names: string[]) {
  return Object.fromEntries(names.map((name) => [name, { code, retryAfterSeconds }]));
}

/** mysql2 marks what has ended a connection, or kept one from being made; knex names its own wait for one. */
function outageOf(error: unknown): { code: ErrorCode; retryAfterSeconds: number } | undefined {
  const { code = '', fatal, name } = (error ?? {}) as { code?: string; fatal?: boolean; name?: string };
  if (Object.hasOwn(outages, code)) return outages[code];
  return fatal === true || name === 'KnexTimeoutError' ? { code: 'unavailable', retryAfterSeconds: 5 } : undefined;
}

/** Returns the error as a GatewayError; anything unknown becomes `internal_error`, an outage what it is, with the original as its cause. */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const outage = outageOf(error);
  if (outage)
    return new GatewayError(outage.code, undefined, { cause: error, retryAfterSeconds: outage.retryAfterSeconds });
  return new GatewayError('internal_error', undefined, { cause: error });
}

/** A connection as the database server knows it: its id there, and from where it comes. */
export interface ServerConnection {
  id: number;
  host: string;
}

/** Tells whether what failed may have been written all the same: the database was lost while it committed. */
export function isUndecided(error: unknown): boolean {
  return undecidedOn(error) !== null;
}

/** Returns the connection on which the commit was lost, where it may still be carried out; null when it is decided. */
export function undecidedOn(error: unknown): ServerConnection | null {
  return (error as { undecidedOn?: ServerConnection } | null)?.undecidedOn ?? null;
}

/** Returns what an unknown thrown value says: whatsapp-web.js throws strings as well as Errors. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : JSON.stringify(error);
}
