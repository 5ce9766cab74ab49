import type { ErrorCode, GatewayError } from '../../model/errors.ts';

/** A Python exception as Frappe's envelope names it. */
interface FrappeError {
  status: number;
  /** The class name, in `exc_type`. */
  type: string;
  /** Where the class lives, in front of it in `exception`; built-ins have none. */
  module?: string;
}

const frappe = 'frappe.exceptions';

/** Gateway code → what Frappe would answer (frappe-wire 1.4): nearly everything that a method throws is 417. */
export const frappeErrors = {
  invalid_input: { status: 417, type: 'ValidationError', module: frappe },
  invalid_number: { status: 417, type: 'InvalidPhoneNumberError', module: frappe },
  invalid_media: { status: 417, type: 'ValidationError', module: frappe },
  not_on_whatsapp: { status: 417, type: 'ValidationError', module: frappe },
  blocked_address: { status: 417, type: 'ValidationError', module: frappe },
  malformed_body: { status: 400, type: 'ValidationError', module: frappe },
  unauthenticated: { status: 401, type: 'AuthenticationError', module: frappe },
  forbidden: { status: 403, type: 'PermissionError', module: frappe },
  not_found: { status: 404, type: 'DoesNotExistError', module: frappe },
  method_not_allowed: { status: 403, type: 'PermissionError', module: frappe },
  instance_not_found: { status: 404, type: 'DoesNotExistError', module: frappe },
  instance_ambiguous: { status: 417, type: 'ValidationError', module: frappe },
  instance_not_ready: { status: 417, type: 'ValidationError', module: frappe },
  conflict: { status: 417, type: 'ValidationError', module: frappe },
  too_late: { status: 409, type: 'ValidationError', module: frappe },
  idempotency_conflict: { status: 409, type: 'DuplicateEntryError', module: frappe },
  too_large: { status: 413, type: 'RequestEntityTooLarge', module: 'werkzeug.exceptions' },
  rate_limited: { status: 429, type: 'TooManyRequestsError', module: frappe },
  send_failed: { status: 417, type: 'ValidationError', module: frappe },
  fetch_failed: { status: 417, type: 'ValidationError', module: frappe },
  feature_unavailable: { status: 501, type: 'NotImplementedError' },
  not_supported: { status: 501, type: 'NotImplementedError' },
  storage_full: { status: 507, type: 'OSError' },
  outcome_unknown: { status: 500, type: 'Exception' },
  unavailable: { status: 503, type: 'SessionStopped', module: frappe },
  internal_error: { status: 500, type: 'Exception' },
} as const satisfies Record<ErrorCode, FrappeError>;

/** Narrower classes that Frappe has for some cases of a code; the thrower says `details.frappe`. */
const narrowErrors = {
  missing_argument: { status: 417, type: 'MandatoryError', module: frappe },
  broken_basic: { status: 400, type: 'InvalidAuthorizationToken', module: frappe },
  unknown_page: { status: 404, type: 'PageDoesNotExistError', module: frappe },
} as const satisfies Record<string, FrappeError>;

/** The names of the narrower classes. */
type NarrowError = keyof typeof narrowErrors;

/** Returns what Frappe would raise in place of the error. */
export function toFrappeError(error: GatewayError): FrappeError {
  const narrow = isMissing(error) ? 'missing_argument' : error.details?.frappe;
  if (typeof narrow === 'string' && Object.hasOwn(narrowErrors, narrow)) return narrowErrors[narrow as NarrowError];
  return frappeErrors[error.code];
}

/** Returns what is wrong with which parameter, null when the error is of another kind. */
export function fieldsOf(error: GatewayError): Record<string, string> | null {
  if (error.code !== 'invalid_input') return null;
  const fields = Object.entries(error.details ?? {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return fields.length > 0 ? Object.fromEntries(fields) : null;
}

function isMissing(error: GatewayError): boolean {
  const sentences = Object.values(fieldsOf(error) ?? {});
  return sentences.length > 0 && sentences.every((sentence) => / (required|empty)$/.test(sentence));
}
