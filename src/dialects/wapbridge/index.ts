import type { Logger } from 'pino';
import type { Dialect } from '../../http/dialect.ts';
import type { ApiRequest, Params } from '../../http/request.ts';
import { GatewayError } from '../../model/errors.ts';
import type { Core } from '../core.ts';
import { createAuthenticate } from './auth.ts';
import { envelope } from './envelope.ts';
import { presentFailure, presentLimit, presentSuccess } from './present.ts';
import { auditRoutes } from './routes/audit.ts';
import { bulkSettingsRoutes } from './routes/bulk-settings.ts';
import { campaignRoutes } from './routes/campaigns.ts';
import { frappeRoutes } from './routes/frappe.ts';
import { diagnosisRoutes } from './routes/diagnosis.ts';
import { instanceRoutes } from './routes/instances.ts';
import { messageRoutes } from './routes/messages.ts';
import { passkeyRoutes } from './routes/passkey.ts';
import { settingsRoutes } from './routes/settings.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { whatsappRoutes } from './routes/whatsapp.ts';
import { wapbridgeWebhooks } from './webhooks.ts';

/** What this API is made of. */
export interface WapbridgeDeps {
  core: Core;
  log: Logger;
  /** The gateway's version, for Frappe's `version`. */
  version: string;
  rateLimitPerMinute: number;
  /** How long `send_api_message` waits for WhatsApp Web. */
  syncSendTimeoutMs: number;
  /** Country of local numbers when neither request nor instance has one. */
  defaultCountry: string | null;
}

const methodPath = /^\/api\/(?:v[12]\/)?method\/([^/]+)/;
const ownPath = /^\/api\/(?:v[12]\/)?(?:method|resource|document)(?:\/|$)/;

/** Returns the WapBridge API (seed 004) over Frappe's wire. */
export function createWapbridge(deps: WapbridgeDeps): Dialect {
  const { core, log } = deps;
  return {
    name: 'wapbridge',
    title: 'WapBridge API',
    description:
      'Send WhatsApp messages and manage instances by Frappe-style RPC; the SMS gateway of ERPNext. Authorization: token <API_KEY>:<API_SECRET>.',
    routes: [
      ...whatsappRoutes({ core, log, syncSendTimeoutMs: deps.syncSendTimeoutMs, defaultCountry: deps.defaultCountry }),
      ...messageRoutes(core),
      ...instanceRoutes(core),
      ...diagnosisRoutes(core),
      ...passkeyRoutes(core),
      ...campaignRoutes(core),
      ...settingsRoutes(core),
      ...webhookRoutes(core),
      ...auditRoutes(core),
      ...bulkSettingsRoutes(core),
      ...frappeRoutes({ version: deps.version }),
    ],
    owns: (request) =>
      ownPath.test(request.path) ||
      typeof request.query.cmd === 'string' ||
      (request.method === 'POST' && request.path === '/'),
    locate(request, params) {
      const name = methodOf(request, params);
      return name === null ? null : `/api/method/${name}`;
    },
    authenticate: createAuthenticate(core.tokens),
    refuseGuest: (request) =>
      new GatewayError(
        'forbidden',
        `Function ${methodOf(request) ?? ''} is not whitelisted for guests: send the header Authorization: token <API_KEY>:<API_SECRET>`,
      ),
    refuseUnknown(request, params) {
      const name = methodOf(request, params);
      if (name === null)
        return new GatewayError('not_found', `${request.path} does not exist`, { details: { frappe: 'unknown_page' } });
      return new GatewayError('invalid_input', `Failed to get method for command ${name} with No such method`);
    },
    success: presentSuccess,
    failure: presentFailure,
    envelope,
    limits: {
      // An ERPNext site sends all its texts from one address, so an address may do more than a token.
      ip: deps.rateLimitPerMinute * 20,
      token: { default: deps.rateLimitPerMinute, sms: deps.rateLimitPerMinute * 10 },
    },
    limitHeaders: presentLimit,
    webhooks: wapbridgeWebhooks,
    securitySchemes: {
      token: { type: 'apiKey', in: 'header', name: 'Authorization', description: 'token <API_KEY>:<API_SECRET>' },
      basic: { type: 'http', scheme: 'basic', description: 'API key and secret as user and password' },
    },
  };
}

/**
 * Returns the method a request names: in its path (`/api/method/X`, `/api/v1/…`, `/api/v2/…`, with whatever follows X), else as
 * `cmd` in its query or form, on any path (frappe-wire 1.2).
 */
function methodOf(request: ApiRequest, params?: Params): string | null {
  const inPath = methodPath.exec(request.path)?.[1];
  if (inPath !== undefined) return decode(inPath);
  const cmd = params?.cmd ?? request.query.cmd;
  return typeof cmd === 'string' && cmd !== '' ? cmd.slice(0, 140) : null;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text).slice(0, 140);
  } catch {
    return text.slice(0, 140);
  }
}
