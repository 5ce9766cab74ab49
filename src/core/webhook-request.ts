import { createHmac } from 'node:crypto';
import { isMediaContent, type MediaRef } from '../model/content.ts';
import { GatewayError } from '../model/errors.ts';
import type { EventType, GatewayEvent } from '../model/events.ts';
import type { Instance } from '../model/instance.ts';
import type { Message } from '../model/message.ts';
import type { WebhookDialect, WebhookFacts, WebhookMedia } from '../model/webhook.ts';
import type { Media } from './media.ts';

/** What is posted to a receiver. */
export interface WebhookRequest {
  body: string;
  headers: Record<string, string>;
}

/** Makes the body of an event for a dialect, with the file inline up to `inlineMaxBytes`. */
export interface WebhookComposer {
  /** Returns the body, null when the dialect has none for this event. @throws what the renderer throws */
  body(input: {
    dialect: WebhookDialect;
    event: GatewayEvent;
    message: Message | undefined;
    instance: Instance | undefined;
  }): Promise<string | null>;
  /** Returns roughly how much memory the body will take. */
  costBytes(message: Message | undefined): number;
}

/** Returns the composer over the stored media. */
export function createComposer({
  media,
  inlineMaxBytes,
}: {
  media: Pick<Media, 'get' | 'readBase64' | 'signedUrl'>;
  inlineMaxBytes: number;
}): WebhookComposer {
  const fileOf = (message: Message | undefined): MediaRef | undefined =>
    message && isMediaContent(message.content) ? message.content.media : undefined;

  /** A file that is gone is null; the message itself still goes out. */
  async function load(file: MediaRef): Promise<WebhookMedia> {
    try {
      if (file.sizeBytes <= inlineMaxBytes) return { base64: await media.readBase64(file.mediaId) };
      await media.get(file.mediaId);
      return { url: media.signedUrl(file.mediaId) };
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'not_found') return null;
      throw error;
    }
  }

  return {
    async body({ dialect, event, message, instance }) {
      const render = dialect.render[event.type] as
        | ((event: GatewayEvent<EventType>, facts: WebhookFacts) => unknown)
        | undefined;
      if (!render) return null;
      const file = fileOf(message);
      const facts: WebhookFacts = { customer: event.accountId };
      if (message) facts.message = message;
      if (instance) facts.instance = instance;
      if (file) facts.media = await load(file);
      const body = render(event, facts);
      return body === undefined ? null : JSON.stringify(body);
    },

    costBytes(message) {
      const file = fileOf(message);
      // Base64, then the JSON around it, then the bytes on the socket.
      return file && file.sizeBytes <= inlineMaxBytes ? file.sizeBytes * 4 : 4096;
    },
  };
}

/**
 * Returns the headers of a webhook: the dialect's own and those of Standard Webhooks 1.0.0. The id stays the same over all tries;
 * the time is that of the try.
 */
export function webhookHeaders(input: {
  dialect: WebhookDialect;
  secret: string | null;
  eventId: string;
  body: string;
  now: number;
  userAgent: string;
}): Record<string, string> {
  const { dialect, secret, body } = input;
  const id = `msg_${input.eventId}`;
  const timestamp = String(Math.floor(input.now / 1000));
  return {
    ...dialect.headers({ secret, body }),
    'content-type': 'application/json',
    'user-agent': input.userAgent,
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    ...(secret === null ? {} : { 'webhook-signature': signWebhook({ secret, id, timestamp, body }) }),
  };
}

/** Returns the `v1` signature of Standard Webhooks: HMAC-SHA256 of `id.timestamp.body`. A `whsec_` secret is base64, any other is taken as it is. */
export function signWebhook({
  secret,
  id,
  timestamp,
  body,
}: {
  secret: string;
  id: string;
  timestamp: string;
  body: string;
}): string {
  const key = secret.startsWith('whsec_')
    ? Buffer.from(secret.slice('whsec_'.length), 'base64')
    : Buffer.from(secret, 'utf8');
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}
