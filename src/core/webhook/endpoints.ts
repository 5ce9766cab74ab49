import type { Knex } from 'knex';
import type { AuditAction, AuditChanges } from '../../model/audit.ts';
import { GatewayError } from '../../model/errors.ts';
import type { EventChoice } from '../../model/events.ts';
import type { Clock } from '../../model/time.ts';
import type { Endpoint, WebhookDialect } from '../../model/webhook.ts';
import { accountCaller, type Caller } from '../../model/token.ts';
import type { Outbound } from '../../outbound.ts';
import type { Database } from '../../store/database.ts';
import type { EndpointPatch, EndpointScope, StoredEndpoint, WebhookStore } from '../../store/webhooks.ts';
import { type Audit, changesBetween } from '../audit.ts';
import { createExclusive } from '../exclusive.ts';
import type { Secrets } from '../secrets.ts';
import { withoutQuery } from './confidence.ts';
import { createPatch, type EndpointChanges } from './endpoint-patch.ts';
import { healthy } from './schedule.ts';

/** What an owner says of the default endpoint. */
interface EndpointInput {
  /** Null or empty removes the endpoint. */
  url: string | null;
  /** Absent keeps the secret, null removes it. */
  secret?: string | null;
  /** Absent keeps the events, at first inbound messages. */
  events?: readonly EventChoice[];
  /** One instance's events only. */
  instanceId?: string | null;
  dialect: string;
  /** Who sets it; absent: the gateway itself. */
  by?: Caller;
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
  /** Who acts; absent: the gateway itself. */
  by?: Caller;
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
  database: Database;
  audit: Pick<Audit, 'record'>;
  endpoints: WebhookStore;
  dialects: () => Readonly<Record<string, WebhookDialect>>;
  outbound: Pick<Outbound, 'assertAllowed'>;
  secrets: Pick<Secrets, 'seal' | 'open'>;
  clock: Pick<Clock, 'now'>;
  newId: () => string;
  /** For how long deliveries are kept. */
  retentionDays: number;
  /** Hears of every change, with the endpoint when it was there before. */
  changed(endpointId: string | null): void;
}

const defaultEvents: readonly EventChoice[] = ['message.received'];
const maxEndpoints = 50;

/** Returns the management of endpoints. */
export function createEndpoints(deps: EndpointDeps): WebhookEndpoints {
  const { database, endpoints, audit, clock } = deps;
  const patchOf = createPatch(deps);

  async function owned({ accountId, boundTo }: EndpointOwner, id: string): Promise<StoredEndpoint> {
    const endpoint = await endpoints.byId(id);
    if (endpoint?.accountId !== accountId || (boundTo !== null && endpoint.instanceId !== boundTo))
      throw new GatewayError('not_found', `There is no webhook ${id}`);
    return endpoint;
  }

  async function insert(
    by: Caller,
    { isDefault, ...scope }: EndpointScope & { isDefault: boolean },
    patch: EndpointPatch & { url: string },
  ): Promise<string> {
    const id = deps.newId();
    const endpoint: StoredEndpoint = {
      title: null,
      events: [...defaultEvents],
      sealedSecret: null,
      oldSecrets: [],
      hasSecret: false,
      headerNames: [],
      sealedHeaders: null,
      isOrdered: false,
      retrySeconds: null,
      enabled: true,
      disabledReason: null,
      ...healthy,
      ...patch,
      ...scope,
      id,
      isDefault,
      createdAt: clock.now(),
    };
    await database.transaction(async (trx) => {
      await endpoints.insert(endpoint, trx);
      await note(trx, by, 'webhook.created', endpoint, changesBetween({}, audited(endpoint)));
    });
    return id;
  }

  async function change(by: Caller, known: StoredEndpoint, patch: EndpointPatch): Promise<void> {
    if (Object.keys(patch).length === 0) return;
    await database.transaction(async (trx) => {
      await endpoints.update(known.id, patch, trx);
      const { secret, ...changes } = changesBetween(audited(known), audited({ ...known, ...patch }));
      if (Object.keys(changes).length > 0) await note(trx, by, 'webhook.updated', known, changes);
      const replaced = secret ?? (patch.sealedSecret ? { from: 'set', to: 'set anew' } : null);
      if (replaced) await note(trx, by, 'webhook.secret_replaced', known, { secret: replaced });
    });
  }

  async function drop(by: Caller, known: StoredEndpoint): Promise<void> {
    await database.transaction(async (trx) => {
      await endpoints.remove(trx, known.id);
      await note(trx, by, 'webhook.deleted', known, { url: { from: audited(known).url } });
    });
    deps.changed(known.id);
  }

  function note(
    trx: Knex.Transaction,
    by: Caller,
    action: AuditAction,
    { id, instanceId }: StoredEndpoint,
    changes: AuditChanges,
  ): Promise<void> {
    return audit.record(by, { action, subject: id, instanceId, changes }, trx);
  }

  async function shown(id: string): Promise<Endpoint> {
    const endpoint = await endpoints.byId(id);
    if (!endpoint) throw new GatewayError('not_found', `There is no webhook ${id}`);
    return show(endpoint);
  }

  /** Changes of an account follow one another: each begins with what the one before it has made. */
  const inTurn = createExclusive();

  async function set(accountId: string, input: EndpointInput): Promise<Endpoint | null> {
    const scope: EndpointScope = { accountId, instanceId: input.instanceId ?? null, dialect: input.dialect };
    const url = input.url?.trim() ?? '';
    const by = input.by ?? accountCaller(accountId);
    const known = await endpoints.byScope(scope);
    if (url === '') {
      if (known) await drop(by, known);
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
    if (known) await change(by, known, patch);
    const id = known?.id ?? (await insert(by, { ...scope, isDefault: true }, patch));
    deps.changed(known?.id ?? null);
    return shown(id);
  }

  async function create(
    { accountId, boundTo, by = accountCaller(accountId) }: EndpointOwner,
    { dialect, instanceId, ...changes }: NewEndpoint,
  ): Promise<Endpoint> {
    if (!Object.hasOwn(deps.dialects(), dialect))
      throw new GatewayError(
        'invalid_input',
        `There is no dialect ${dialect}: ${Object.keys(deps.dialects()).join(', ')}`,
      );
    if ((await endpoints.ofAccount(accountId)).length >= maxEndpoints)
      throw new GatewayError('conflict', `There are ${maxEndpoints} webhooks already: remove one first`);
    const scope = { accountId, instanceId: boundTo ?? instanceId ?? null, dialect, isDefault: false };
    const id = await insert(by, scope, { ...(await patchOf(changes, null)), url: changes.url });
    deps.changed(null);
    return shown(id);
  }

  async function update(owner: EndpointOwner, id: string, changes: EndpointChanges): Promise<Endpoint> {
    const known = await owned(owner, id);
    await change(owner.by ?? accountCaller(owner.accountId), known, await patchOf(changes, known));
    deps.changed(id);
    return shown(id);
  }

  async function remove(owner: EndpointOwner, id: string): Promise<void> {
    await drop(owner.by ?? accountCaller(owner.accountId), await owned(owner, id));
  }

  return {
    set: (accountId, input) => inTurn(accountId, () => set(accountId, input)),
    create: (owner, input) => inTurn(owner.accountId, () => create(owner, input)),
    update: (owner, id, changes) => inTurn(owner.accountId, () => update(owner, id, changes)),
    remove: (owner, id) => inTurn(owner.accountId, () => remove(owner, id)),

    async get(accountId, { instanceId, dialect }) {
      const endpoint = await endpoints.byScope({ accountId, instanceId: instanceId ?? null, dialect });
      return endpoint && show(endpoint);
    },

    async list({ accountId, boundTo }) {
      const all = await endpoints.ofAccount(accountId);
      return all.filter((endpoint) => boundTo === null || endpoint.instanceId === boundTo).map(show);
    },
  };
}

/** Returns what of an endpoint the audit log compares and shows: no secret, no value of a header or of a query. */
function audited(endpoint: StoredEndpoint): Record<string, unknown> {
  const { title, events, headerNames, isOrdered, retrySeconds, enabled } = endpoint;
  return {
    url: withoutQuery(endpoint.url),
    title,
    events,
    headers: headerNames,
    ordered: isOrdered,
    retry_seconds: retrySeconds,
    enabled,
    secret: endpoint.sealedSecret === null ? null : 'set',
  };
}

/** Nothing encrypted leaves the core. */
function show({ sealedSecret: _s, oldSecrets: _o, sealedHeaders: _h, ...shown }: StoredEndpoint): Endpoint {
  return shown;
}
