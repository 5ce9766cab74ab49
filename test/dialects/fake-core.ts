import { Readable } from 'node:stream';
import type { SendInput } from '../../src/core/messages.ts';
import type { Core, EndpointView } from '../../src/dialects/core.ts';
import type { MediaOpener } from '../../src/http/media.ts';
import { GatewayError } from '../../src/model/errors.ts';
import { newWaId } from '../../src/model/ids.ts';
import type { Instance } from '../../src/model/instance.ts';
import { bareMessageId, serializeMessageKey } from '../../src/model/jid.ts';
import type { Message } from '../../src/model/message.ts';
import { parseAddress, parsePhone } from '../../src/model/phone.ts';
import type { Caller, Token } from '../../src/model/token.ts';
import { type FakeCampaigns, createFakeCampaigns } from './fake-campaigns.ts';

/** The credentials the fake core knows. */
export const credentials = {
  full: { key: 'fullkey', secret: 'full-secret-0123456789' },
  send: { key: 'sendkey', secret: 'send-secret-0123456789' },
  bound: { key: 'boundkey', secret: 'bound-secret-012345678' },
  other: { key: 'otherkey', secret: 'other-secret-012345678' },
  revoked: { key: 'revokedkey', secret: 'gone-secret-0123456789' },
} as const;

/** A message as the fake core was asked to send it. */
export type Sent = Omit<SendInput, 'instance'> & { instanceId: string };

/** The core's interfaces in memory: the HTTP side is tested against their contract, not against WhatsApp. */
export interface FakeCore extends Core, FakeCampaigns {
  media: MediaOpener;
  sent: Sent[];
  rows: Message[];
  instanceRows: Instance[];
  endpoints: Map<string, EndpointView & { secret: string | null }>;
  /** When set, the next calls of the core throw it. */
  failWith: unknown;
}

/** What is tested over the real thing (`webhook-settings.test.ts`). */
function notFaked(): Promise<never> {
  return Promise.reject(new GatewayError('not_supported'));
}

/** Returns an instance with only the fields that matter given. */
export function buildInstance(fields: Partial<Instance> = {}): Instance {
  return {
    id: 'INST-01-0000142',
    accountId: 'CUST-0143',
    title: 'Front desk',
    desiredState: 'run',
    state: 'ready',
    reason: null,
    actionCode: null,
    stateSince: 1_767_791_640_000,
    attempts: 0,
    nextAttemptAt: null,
    linkedAt: 1_767_000_000_000,
    onConflict: 'wait',
    proxySealed: null,
    userAgent: null,
    phone: '255700000000',
    lid: null,
    pushName: null,
    defaultCountry: null,
    webVersion: null,
    selfTest: null,
    selfTestAt: null,
    lastEventAt: null,
    lastReadyAt: 1_767_791_640_000,
    createdAt: 1_767_000_000_000,
    ...fields,
  };
}

/** Returns a message with only the fields that matter given. */
export function buildMessage(fields: Partial<Message> = {}): Message {
  return {
    id: '01JF0000000000000000000000',
    accountId: 'CUST-0143',
    instanceId: 'INST-01-0000142',
    direction: 'out',
    waId: '3EB0C767D26A1D5F2E5A49',
    waKey: 'true_255755123456@c.us_3EB0C767D26A1D5F2E5A49',
    chat: parseAddress('255755123456@c.us', null),
    sender: null,
    senderPhone: null,
    senderName: null,
    content: { type: 'text', text: 'Hello' },
    state: 'accepted',
    reason: null,
    ack: 0,
    priority: 1,
    attempts: 1,
    expiresAt: null,
    sendAt: null,
    createdAt: 1_767_791_640_000,
    happenedAt: null,
    ackedAt: null,
    ...fields,
  };
}

/** Returns the fake: two accounts, one ready instance in the first unless told otherwise. */
export function createFakeCore(instances: Instance[] = [buildInstance()]): FakeCore {
  const tokens = new Map<string, { secret: string; token: Token }>();
  for (const [name, { key, secret }] of Object.entries(credentials))
    tokens.set(key, { secret, token: tokenOf(name, key, secret, instances) });
  const idempotent = new Map<string, { hash: string; message: Message }>();

  const core: FakeCore = {
    ...createFakeCampaigns(),
    sent: [],
    rows: [],
    instanceRows: instances,
    endpoints: new Map(),
    failWith: undefined,

    tokens: {
      async authenticate(key, secret) {
        const entry = tokens.get(key);
        if (!entry || entry.secret !== secret || entry.token.revokedAt !== null) return null;
        return { accountId: entry.token.accountId, token: entry.token };
      },
    },

    audit: { list: () => Promise.resolve([]) },
    history: { list: () => Promise.resolve([]) },
    webRecorder: { record: () => Promise.reject(new Error('not faked')) },
    diagnoses: { diagnose: () => Promise.reject(new Error('not faked')) },

    instances: {
      async create(caller, input) {
        const number = String(core.instanceRows.length + 1).padStart(7, '0');
        const instance = buildInstance({
          id: `INST-11-${number}`,
          accountId: caller.accountId,
          title: input.title ?? 'WhatsApp',
          defaultCountry: input.defaultCountry ?? null,
          state: 'starting',
          phone: null,
        });
        core.instanceRows.push(instance);
        return instance;
      },
      list: async (caller) => visible(caller),
      get: async (caller, id) => find(caller, id),
      async resolve(caller, { instanceId, fromNumber }) {
        if (instanceId !== undefined) return find(caller, instanceId);
        const mine = visible(caller);
        const phone = fromNumber === undefined ? null : parsePhone(fromNumber, null);
        if (phone !== null) {
          const own = mine.find((instance) => instance.phone === phone);
          if (!own) throw new GatewayError('instance_not_found', `No instance has the number ${fromNumber}`);
          return own;
        }
        const [first, ...rest] = mine;
        if (!first) throw new GatewayError('instance_not_found', 'There is no instance');
        if (rest.length > 0) {
          const choices = mine.map((instance) => instance.id);
          throw new GatewayError('instance_ambiguous', `Name one of ${choices.join(', ')}`, { details: { choices } });
        }
        return first;
      },
      async update(caller, id, { proxyUrl, ...plain }) {
        const proxy = proxyUrl === undefined ? {} : { proxySealed: proxyUrl && `sealed ${proxyUrl.length}` };
        return { instance: Object.assign(find(caller, id), plain, proxy), restartNeeded: proxyUrl !== undefined };
      },
      connect: async (caller, id) => Object.assign(find(caller, id), { state: 'starting' }),
      disconnect: async (caller, id) => Object.assign(find(caller, id), { state: 'stopped' }),
      logout: async (caller, id) => Object.assign(find(caller, id), { state: 'logged_out' }),
      async remove(caller, id) {
        core.instanceRows.splice(core.instanceRows.indexOf(find(caller, id)), 1);
      },
      async qr(caller, id) {
        const { state } = find(caller, id);
        return state === 'qr'
          ? { status: state, code: '2@abcdef,ghi,jkl', expiresAt: 1_767_791_660_000 }
          : { status: state, code: null, expiresAt: null };
      },
      async requestPairingCode(caller, id, phone) {
        find(caller, id);
        if (parsePhone(phone, null) === null)
          throw new GatewayError('invalid_number', `${phone} is not a valid phone number`);
        return 'ABCD-EFGH';
      },
    },

    messages: {
      async send(caller, { instance, ...request }) {
        await Promise.resolve();
        if (core.failWith !== undefined) throw core.failWith;
        if (instance.accountId !== caller.accountId) throw new Error('an instance of another account');
        if (!request.queueUnlinked && ['created', 'qr', 'logged_out', 'stopped'].includes(instance.state))
          throw new GatewayError('instance_not_ready', `Instance ${instance.id} is not linked to WhatsApp`);
        const chat = parseAddress(request.to, request.country ?? instance.defaultCountry ?? 'TZ');
        if (chat.startsWith('255999')) throw new GatewayError('not_on_whatsapp', `${request.to} is not on WhatsApp`);
        if (
          request.content.type === 'media' &&
          'base64' in request.content.source &&
          /[^A-Za-z0-9+/=]/.test(request.content.source.base64)
        )
          throw new GatewayError('invalid_media', 'The media is not base64');
        const known = request.idempotency && idempotent.get(request.idempotency.key);
        if (known && known.hash !== request.idempotency?.requestHash) throw new GatewayError('idempotency_conflict');
        if (known) return known.message;

        const waId = newWaId({ nowMs: Date.now(), ownId: instance.id });
        const waits = (request.waitMs ?? 0) > 0 && instance.state === 'ready';
        const message = buildMessage({
          waId,
          waKey: serializeMessageKey({ fromMe: true, chat, id: waId }),
          chat,
          instanceId: instance.id,
          state: waits ? 'accepted' : 'queued',
          priority: request.priority,
        });
        if (request.idempotency)
          idempotent.set(request.idempotency.key, { hash: request.idempotency.requestHash, message });
        core.sent.push({ ...request, instanceId: instance.id });
        core.rows.push(message);
        return message;
      },
      async status(_caller, id) {
        const row = core.rows.find(
          (message) => message.waKey === id || message.waId === bareMessageId(id) || message.id === id,
        );
        if (!row) throw new GatewayError('not_found', `There is no message ${id}`);
        return row;
      },
      cancel: notFaked,
    },

    messageLog: { list: notFaked },
    passkeys: { challenge: notFaked, submit: notFaked, confirm: notFaked },

    contacts: {
      async check(_caller, { instance, numbers, country }) {
        if (instance.state !== 'ready')
          throw new GatewayError('instance_not_ready', `Instance ${instance.id} is not connected`);
        return numbers.map((number) => {
          const phone = parsePhone(number, country ?? 'TZ');
          if (phone === null)
            return { number, jid: null, onWhatsApp: false, error: `${number} is not a valid phone number` };
          const onWhatsApp = !phone.startsWith('255999');
          return { number, jid: onWhatsApp ? parseAddress(phone, null) : null, onWhatsApp };
        });
      },
    },

    webhooks: {
      async set(accountId, { url, secret, events, instanceId }) {
        const key = `${accountId}/${instanceId ?? ''}`;
        if (url === null) {
          core.endpoints.delete(key);
          return null;
        }
        if (url.includes('169.254.')) throw new GatewayError('blocked_address');
        const known = core.endpoints.get(key);
        const kept = secret === undefined ? (known?.secret ?? null) : secret;
        const endpoint = {
          url,
          secret: kept,
          events: [...(events ?? known?.events ?? (['message.received'] as const))],
          instanceId: instanceId ?? null,
          hasSecret: kept !== null,
          enabled: true,
          disabledReason: null,
        };
        core.endpoints.set(key, endpoint);
        return endpoint;
      },
      get: async (accountId, { instanceId }) => core.endpoints.get(`${accountId}/${instanceId ?? ''}`) ?? null,
      list: notFaked,
      create: notFaked,
      update: notFaked,
      remove: notFaked,
      test: notFaked,
      deliveries: notFaked,
      attempts: notFaked,
      resend: notFaked,
      replay: notFaked,
    },

    media: {
      async open(mediaId, expires, signature) {
        if (signature !== 'good') throw new GatewayError('forbidden', 'The link is not valid');
        if (mediaId !== 'M1' || expires === '')
          throw new GatewayError('not_found', 'The media does not exist any more');
        return {
          stream: Readable.from([Buffer.from('<svg/>')]),
          mimeType: 'image/svg+xml',
          filename: 'a"b\r\nü.svg',
          sizeBytes: 6,
        };
      },
    },
  };

  function visible(caller: Caller): Instance[] {
    return core.instanceRows.filter(
      (instance) => instance.accountId === caller.accountId && (caller.token.instanceId ?? instance.id) === instance.id,
    );
  }

  function find(caller: Caller, id: string): Instance {
    const found = visible(caller).find((instance) => instance.id === id);
    if (!found) throw new GatewayError('instance_not_found', `Instance ${id} does not exist`);
    return found;
  }

  return core;
}

function tokenOf(name: string, key: string, secret: string, instances: Instance[]): Token {
  return {
    id: `token-${name}`,
    accountId: name === 'other' ? 'CUST-0999' : 'CUST-0143',
    key,
    secretTail: secret.slice(-4),
    scope: name === 'send' ? 'send' : 'full',
    instanceId: name === 'bound' ? (instances[0]?.id ?? null) : null,
    title: name,
    createdAt: 0,
    lastUsedAt: null,
    revokedAt: name === 'revoked' ? 1 : null,
  };
}
