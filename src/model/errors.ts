/**
 * Every failure the core can report: code → HTTP status and the sentence used when the thrower has none better.
 * A dialect may map a code to its own status and wording; a code without a row does not compile.
 */
export const errorTable = {
  invalid_input: { status: 422, sentence: 'The request is not valid' },
  invalid_number: { status: 422, sentence: 'The phone number is not valid' },
  invalid_media: { status: 422, sentence: 'The media is not valid' },
  not_on_whatsapp: { status: 422, sentence: 'The phone number is not on WhatsApp' },
  blocked_address: { status: 422, sentence: 'The address is not allowed' },
  malformed_body: { status: 400, sentence: 'The request body could not be read' },
  unauthenticated: { status: 401, sentence: 'The credentials are not valid' },
  forbidden: { status: 403, sentence: 'This is not permitted' },
  not_found: { status: 404, sentence: 'Not found' },
  method_not_allowed: { status: 405, sentence: 'The HTTP method is not allowed here' },
  instance_not_found: { status: 404, sentence: 'The instance does not exist' },
  instance_ambiguous: { status: 409, sentence: 'Several instances match: name one' },
  instance_not_ready: { status: 409, sentence: 'The instance is not connected to WhatsApp' },
  conflict: { status: 409, sentence: 'The request conflicts with the current state' },
  idempotency_conflict: { status: 409, sentence: 'This Idempotency-Key was used with another request' },
  too_large: { status: 413, sentence: 'The request is too large' },
  rate_limited: { status: 429, sentence: 'Too many requests' },
  send_failed: { status: 502, sentence: 'WhatsApp did not accept the message' },
  fetch_failed: { status: 502, sentence: 'The address could not be fetched' },
  not_supported: { status: 501, sentence: 'WhatsApp Web does not offer this at the moment' },
  unavailable: { status: 503, sentence: 'The gateway is not available at the moment' },
  internal_error: { status: 500, sentence: 'Internal error' },
} as const satisfies Record<string, { status: number; sentence: string }>;

/** The closed set of failure codes. */
export type ErrorCode = keyof typeof errorTable;

/** What may accompany an error beside its code and sentence. */
export interface ErrorDetails {
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

/** Returns the error as a GatewayError; anything unknown becomes `internal_error` with the original as its cause. */
export function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('internal_error', undefined, { cause: error });
}

/** Returns what an unknown thrown value says: whatsapp-web.js throws strings as well as Errors. */
export function reasonOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === 'string' ? error : JSON.stringify(error);
}
