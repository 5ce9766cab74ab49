import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { signWebhook } from '../../../src/core/webhook/request.ts';

const body = JSON.stringify({ event: 'message.received', message: { body: 'Sawa' } });
const id = 'msg_01M7XWNA62M8K2Y5VC0PF0V4W4';
const timestamp = String(Math.floor(Date.now() / 1000));

function headers(secret: string): Record<string, string> {
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signWebhook({ secret, id, timestamp, body }),
  };
}

/** The receiver's side is Standard Webhooks' own package. */
it.each([
  ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', undefined],
  ['a plain shared secret', { format: 'raw' as const }],
])('a receiver that uses the official package takes our signature with the secret %s', (secret, options) => {
  const receiver = new Webhook(secret, options);
  expect(receiver.verify(body, headers(secret))).toEqual(JSON.parse(body));
  expect(() => receiver.verify(body.replace('Sawa', 'Hapana'), headers(secret))).toThrow(/signature/i);
});
