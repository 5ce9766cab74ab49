import { GatewayError } from '../model/errors.ts';
import { type EventType, isEventType } from '../model/events.ts';
import type { Clock } from '../model/time.ts';
import type { Endpoint, WebhookDialect } from '../model/webhook.ts';
import type { Outbound } from '../outbound.ts';
import type { EndpointPatch, EndpointScope, StoredEndpoint, WebhookStore } from '../store/webhooks.ts';
import type { Secrets } from './secrets.ts';
import { healthy } from './webhook-schedule.ts';

/** What an owner says of the default endpoint. */
export interface EndpointInput {
  /** Null or empty removes the endpoint. */
  url: string | null;
  /** Absent keeps the secret, null removes it. */
  secret?: string | null;
  /** Absent keeps the events, at first inbound messages. */
  events?: readonly EventType[];
  /** One instance's events only. */
  instanceId?: string | null;
  dialect: string;
}

/** What of an endpoint its owner may change; what is absent stays as it is. */
export interface EndpointChanges {
  title?: string | null;
  url?: string;
  /** Null removes the secret and those before it. */
  secret?: string | null;
  /** For how long the secret so far signs too; 24 h by default, 0 for not at all. */
  overlapMs?: number;
  events?: readonly EventType[];
  /** Sent beside the gateway's own headers; an empty object removes them. */
  headers?: Readonly<Record<string, string>>;
  isOrdered?: boolean;
  /** True forgets past failures. */
  enabled?: boolean;
}

/** A new endpoint. */
export interface NewEndpoint extends EndpointChanges {
  url: string;
  dialect: string;
  instanceId?: string | null;
}

/** Whose endpoints: an account's, or only those of the instance that a token is bound to. */
export interface EndpointOwner {
  accountId: string;
  boundTo: string | null;
}

/** The receivers of webhooks, as their owners manage them. */
export interface WebhookEndpoints {
  /** Sets, changes or removes the default endpoint of an account (or instance) and dialect; setting it again also enables it again. @throws GatewayError invalid_input | blocked_address | fetch_failed */
  set(accountId: string, input: EndpointInput): Promise<Endpoint | null>;
  get(accountId: string, input: { instanceId?: string | null; dialect: string }): Promise<Endpoint | null>;
  list(owner: EndpointOwner): Promise<Endpoint[]>;
  /** @throws GatewayError invalid_input | blocked_address | fetch_failed */
  create(owner: EndpointOwner, input: NewEndpoint): Promise<Endpoint>;
  /** @throws GatewayError not_found | invalid_input | blocked_address | fetch_failed */
  update(owner: EndpointOwner, id: string, changes: EndpointChanges): Promise<Endpoint>;
  /** Removes the endpoint, what waits for it, and its history. @throws GatewayError not_found */
  remove(owner: EndpointOwner, id: string): Promise<void>;
}

interface EndpointDeps {
  endpoints: WebhookStore;
  dialects: () => Readonly<Record<string, WebhookDialect>>;
  outbound: Pick<Outbound, 'assertAllowed'>;
  secrets: Pick<Secrets, 'seal' | 'open'>;
  clock: Pick<Clock, 'now'>;
  newId: () => string;
  /** Hears of every change, with the endpoint when it was there before. */
  changed(endpointId: string | null): void;
}

const defaultEvents: readonly EventType[] = ['message.received'];
const overlapMs = 24 * 60 * 60 * 1000;
const maxEndpoints = 50;
const maxOldSecrets = 3;
const maxHeaders = 20;
/** What the gateway itself sends, and what would break the request. */
const reservedHeader =
  /^(webhook-.*|content-.*|transfer-encoding|connection|keep-alive|host|expect|upgrade|te|trailer|proxy-.*)$/;

/** Returns the management of endpoints. */
export function createEndpoints(deps: EndpointDeps): WebhookEndpoints {
  const { endpoints, clock } = deps;

  async function owned({ accountId, boundTo }: EndpointOwner, id: string): Promise<StoredEndpoint> {
    const endpoint = await endpoints.byId(id);
    if (endpoint?.accountId !== accountId || (boundTo !== null && endpoint.instanceId !== boundTo))
      throw new GatewayError('not_found', `There is no webhook ${id}`);
    return endpoint;
  }

  /** Returns the columns that follow from what an owner says. */
  async function patchOf(changes: EndpointChanges, known: StoredEndpoint | null): Promise<EndpointPatch> {
    const { title, url, headers, isOrdered, enabled } = changes;
    if (url !== undefined) await deps.outbound.assertAllowed(url);
    const again = enabled === true || (url !== undefined && url !== known?.url);
    return {
      ...(title !== undefined && { title: title || null }),
      ...(url !== undefined && { url }),
      ...checkedEvents(changes.events),
      ...secretPatch(changes, known),
      ...(headers !== undefined && headersPatch(headers)),
      ...(isOrdered !== undefined && { isOrdered }),
      ...(enabled !== undefined && { enabled, disabledReason: enabled ? null : 'Disabled by its owner' }),
      ...(again && healthy),
    };
  }

  /** The secret that is replaced goes on signing, so that a receiver can change it when it likes. */
  function secretPatch(changes: EndpointChanges, known: StoredEndpoint | null): EndpointPatch {
    const { secret } = changes;
    if (secret === undefined) return {};
    if (secret === null || secret === '') return { sealedSecret: null, oldSecrets: [] };
    if (!/^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/.test(secret))
      throw new GatewayError('invalid_input', 'The secret must be at most 255 printable ASCII characters', {
        details: { secret: 'not printable ASCII' },
      });
    // Saying the same again is no change.
    if (known?.sealedSecret && deps.secrets.open(known.sealedSecret) === secret) return {};
    const until = clock.now() + (changes.overlapMs ?? overlapMs);
    const old = [
      ...(known?.sealedSecret ? [{ sealed: known.sealedSecret, until }] : []),
      ...(known?.oldSecrets ?? []).map((one) => ({ ...one, until: Math.min(one.until, until) })),
    ];
    return {
      sealedSecret: deps.secrets.seal(secret),
      oldSecrets: old.filter((one) => one.until > clock.now()).slice(0, maxOldSecrets),
    };
  }

  function headersPatch(headers: Readonly<Record<string, string>>): EndpointPatch {
    const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
    const bad = entries.find(
      ([name, value]) =>
        !/^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/.test(name) ||
        reservedHeader.test(name) ||
        !/^[\x20-\x7e]{0,1024}$/.test(value),
    );
    if (bad || entries.length > maxHeaders)
      throw new GatewayError(
        'invalid_input',
        bad ? `The header ${bad[0]} cannot be sent` : `There may be ${maxHeaders} headers at most`,
        { details: { headers: bad ? bad[0] : 'too many' } },
      );
    const names = entries.map(([name]) => name);
    const sealed = names.length === 0 ? null : deps.secrets.seal(JSON.stringify(Object.fromEntries(entries)));
    return { headerNames: names, sealedHeaders: sealed };
  }

  async function insert(
    scope: EndpointScope,
    isDefault: boolean,
    patch: EndpointPatch & { url: string },
  ): Promise<string> {
    const id = deps.newId();
    await endpoints.insert({
      title: null,
      events: [...defaultEvents],
      sealedSecret: null,
      oldSecrets: [],
      hasSecret: false,
      headerNames: [],
      sealedHeaders: null,
      isOrdered: false,
      enabled: true,
      disabledReason: null,
      ...healthy,
      ...patch,
      ...scope,
      id,
      isDefault,
      createdAt: clock.now(),
    });
    return id;
  }

  async function shown(id: string): Promise<Endpoint> {
    const endpoint = await endpoints.byId(id);
    if (!endpoint) throw new GatewayError('not_found', `There is no webhook ${id}`);
    return show(endpoint);
  }

  return {
    async set(accountId, input) {
      const scope: EndpointScope = { accountId, instanceId: input.instanceId ?? null, dialect: input.dialect };
      const url = input.url?.trim() ?? '';
      const known = await endpoints.byScope(scope);
      if (url === '') {
        if (known) await endpoints.remove(known.id);
        deps.changed(known?.id ?? null);
        return null;
      }
      const { secret, events } = input;
      const changes: EndpointChanges = {
        url,
        enabled: true,
        ...(secret !== undefined && { secret }),
        ...(events !== undefined && { events }),
      };
      const patch = { ...(await patchOf(changes, known)), url };
      if (known) await endpoints.update(known.id, patch);
      const id = known?.id ?? (await insert(scope, true, patch));
      deps.changed(known?.id ?? null);
      return shown(id);
    },

    async get(accountId, { instanceId, dialect }) {
      const endpoint = await endpoints.byScope({ accountId, instanceId: instanceId ?? null, dialect });
      return endpoint && show(endpoint);
    },

    async list({ accountId, boundTo }) {
      const all = await endpoints.ofAccount(accountId);
      return all.filter((endpoint) => boundTo === null || endpoint.instanceId === boundTo).map(show);
    },

    async create({ accountId, boundTo }, { dialect, instanceId, ...changes }) {
      if (!Object.hasOwn(deps.dialects(), dialect))
        throw new GatewayError(
          'invalid_input',
          `There is no dialect ${dialect}: ${Object.keys(deps.dialects()).join(', ')}`,
        );
      if ((await endpoints.ofAccount(accountId)).length >= maxEndpoints)
        throw new GatewayError('conflict', `There are ${maxEndpoints} webhooks already: remove one first`);
      const scope = { accountId, instanceId: boundTo ?? instanceId ?? null, dialect };
      const id = await insert(scope, false, { ...(await patchOf(changes, null)), url: changes.url });
      deps.changed(null);
      return shown(id);
    },

    async update(owner, id, changes) {
      const known = await owned(owner, id);
      const patch = await patchOf(changes, known);
      if (Object.keys(patch).length > 0) await endpoints.update(id, patch);
      deps.changed(id);
      return shown(id);
    },

    async remove(owner, id) {
      await owned(owner, id);
      await endpoints.remove(id);
      deps.changed(id);
    },
  };
}

/** Nothing encrypted leaves the core. */
function show({ sealedSecret: _s, oldSecrets: _o, sealedHeaders: _h, ...shown }: StoredEndpoint): Endpoint {
  return shown;
}

function checkedEvents(events: readonly string[] | undefined): { events?: EventType[] } {
  if (events === undefined) return {};
  const unknown = events.filter((event) => !isEventType(event));
  if (unknown.length > 0)
    throw new GatewayError('invalid_input', `There is no event called ${unknown.join(', ')}`, {
      details: { events: `unknown: ${unknown.join(', ')}` },
    });
  return { events: [...new Set(events.filter(isEventType))] };
}
