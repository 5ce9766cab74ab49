import { GatewayError } from './errors.ts';

/** How far the passkey step of linking is, as the page tells it. Options are WhatsApp's own: JSON with bytes as base64url. */
export type PasskeyStep =
  /** The number's owner has to sign; null: the page does not tell what. */
  | { step: 'asked'; options: string | null }
  /** The answer is with WhatsApp, which asks the phone. */
  | { step: 'sent' }
  /** The phone shows a code: is it this one? */
  | { step: 'code'; code: string }
  | { step: 'failed'; reason: string }
  /** The screen is gone: the number was linked, or somebody turned back. */
  | { step: 'over' };

/** A signed answer to the request for a passkey (WebAuthn's `PublicKeyCredential` as JSON); bytes as base64url. */
export interface PasskeyAssertion {
  id: string;
  rawId: string;
  response: { clientDataJSON: string; authenticatorData: string; signature: string; userHandle: string | null };
}

/** Where a passkey of WhatsApp answers, whatever machine signs. */
const origin = 'https://web.whatsapp.com';

/**
 * Says before WhatsApp does what is wrong with an answer: the browser binds it to a site and to one request (its challenge, where known).
 * @throws GatewayError invalid_input
 */
export function assertFits({ response }: PasskeyAssertion, challenge: unknown): void {
  const client = clientDataOf(response.clientDataJSON);
  if (client?.type !== 'webauthn.get')
    throw refusal('assertion.response.clientDataJSON is not the answer to a request for a passkey');
  if (client.origin !== origin) throw refusal(`The passkey must be used on ${origin}, not on ${String(client.origin)}`);
  if (typeof challenge === 'string' && client.challenge !== challenge.replace(/=+$/, ''))
    throw refusal('This answers another request: fetch the challenge again and sign that one');
}

function clientDataOf(text: string): { type?: unknown; challenge?: unknown; origin?: unknown } | null {
  try {
    const data: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return typeof data === 'object' ? data : null;
  } catch {
    return null;
  }
}

function refusal(message: string): GatewayError {
  return new GatewayError('invalid_input', message, { details: { assertion: message } });
}
