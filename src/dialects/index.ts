import type { Dialect } from '../http/dialect.ts';
import type { WebhookDialect } from '../model/webhook.ts';
import { type WapbridgeDeps, createWapbridge } from './wapbridge/index.ts';
import { wapbridgeWebhooks } from './wapbridge/webhooks.ts';

/** What the dialects are made of. */
type DialectDeps = WapbridgeDeps;

/** Returns every published API of the gateway; a new one is a folder beside this file, a line here and one below. */
export function createDialects(deps: DialectDeps): Dialect[] {
  return [createWapbridge(deps)];
}

/** How each API speaks to webhook receivers, by the dialect's name. */
export const webhookDialects: Readonly<Record<string, WebhookDialect>> = {
  wapbridge: wapbridgeWebhooks,
};
