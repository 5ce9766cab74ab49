import { createHmac } from 'node:crypto';
import { isMediaContent, type MediaRef } from '../../model/content.ts';
import { GatewayError } from '../../model/errors.ts';
import type { EventType, GatewayEvent } from '../../model/events.ts';
import type { Instance } from '../../model/instance.ts';
import type { Message } from '../../model/message.ts';
import type { WebhookDialect, WebhookFacts, WebhookMedia } from '../../model/webhook.ts';
import type { Media } from '../media.ts';
import type { EndpointKeys } from './lane.ts';

/** What stands around a file in a body: caption, names, keys. */
const envelopeBytes = 16 * 1024;

/** Makes the body of an event for a dialect, with the file inline up to `inlineMaxBytes` and as long as the body fits. */
export interface WebhookComposer {
  /** Returns the body, null when the dialect has none for this event. @throws GatewayError too_large, and what the renderer throws */
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
  bodyMaxBytes,
}: {
  media: Pick<Media, 'get' | 'readBase64' | 'signedUrl'>;
  inlineMaxBytes: number;
  bodyMaxBytes: number;
}): WebhookComposer {
  /** Base64 and the JSON around it must fit into the body. */
  const inlineBytes = Math.min(inlineMaxBytes, Math.max(0, Math.floor(((bodyMaxBytes - envelopeBytes) * 3) / 4)));

  const fileOf = (message: Message | undefined): MediaRef | undefined =>
    message && isMediaContent(message.content) ? message.content.media : undefined;

  /** A file that is gone is null; the message itself still goes out. */
  async function load(file: MediaRef): Promise<WebhookMedia> {
    try {
      if (file.sizeBytes <= inlineBytes) return { base64: await media.readBase64(file.mediaId) };
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
      const facts: WebhookFacts = { accountId: event.accountId };
      if (message) facts.message = message;
      if (instance) facts.instance = instance;
      if (file) facts.media = await load(file);
      const rendered = render(event, facts);
      if (rendered === undefined) return null;
      let body = JSON.stringify(rendered);
      if (body.length <= bodyMaxBytes && (body.length * 3 <= bodyMaxBytes || Buffer.byteLength(body) <= bodyMaxBytes))
        return body;
      // A long caption took the room of the file.
      if (file && facts.media && 'base64' in facts.media) {
        body = JSON.stringify(render(event, { ...facts, media: { url: media.signedUrl(file.mediaId) } }));
        if (Buffer.byteLength(body) <= bodyMaxBytes) return body;
      }
      throw new GatewayError('too_large', `The body is larger than ${bodyMaxBytes} bytes`);
    },

    costBytes(message) {
      const file = fileOf(message);
      // Base64, then the JSON around it, then the bytes on the socket.
      return file && file.sizeBytes <= inlineBytes ? file.sizeBytes * 4 : 4096;
    },
  };
}

/**
 * Returns the headers of a webhook: the dialect's own and those of Standard Webhooks 1.0.0. The id stays the same over all tries;
 * the time is that of the try. After a change of the secret
 * the old one signs too, for a while; a header that carries the secret itself can only carry the new one.
 */
export function webhookHeaders(input: {
  dialect: WebhookDialect;
  keys: EndpointKeys;
  eventId: string;
  body: string;
  now: number;
  userAgent: string;
}): Record<string, string> {
  const { dialect, keys, body, now } = input;
  const { secret, oldSecrets } = keys;
  const id = `msg_${input.eventId}`;
  const timestamp = String(Math.floor(now / 1000));
  const signing =
    secret === null ? [] : [secret, ...oldSecrets.flatMap((old) => (old.until > now ? [old.secret] : []))];
  return {
    ...keys.headers,
    ...dialect.headers({ secret, body }),
    'content-type': 'application/json',
    'user-agent': input.userAgent,
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    ...(signing.length === 0
      ? {}
      : { 'webhook-signature': signing.map((key) => signWebhook({ secret: key, id, timestamp, body })).join(' ') }),
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
