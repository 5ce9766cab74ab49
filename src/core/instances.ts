import { GatewayError } from '../model/errors.ts';
import type { Instance, InstanceState } from '../model/instance.ts';
import { isCountry, parsePhone } from '../model/phone.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { Outbox } from './outbox.ts';
import type { Supervisor } from './supervisor.ts';

/** The use cases of linked numbers. Every call sees only what its caller may see. */
export interface Instances {
  /** Makes an instance and starts it. */
  create(caller: Caller, input: { title?: string; defaultCountry?: string | null }): Promise<Instance>;
  list(caller: Caller): Promise<Instance[]>;
  /** @throws GatewayError instance_not_found, also for another account's */
  get(caller: Caller, id: string): Promise<Instance>;
  /**
   * Returns the instance a request means: the named one, else the token's, else the account's only one.
   * @throws GatewayError instance_not_found | instance_ambiguous (details.choices: instance ids)
   */
  resolve(caller: Caller, by: { instanceId?: string; fromNumber?: string }): Promise<Instance>;
  connect(caller: Caller, id: string): Promise<Instance>;
  disconnect(caller: Caller, id: string): Promise<Instance>;
  logout(caller: Caller, id: string): Promise<Instance>;
  remove(caller: Caller, id: string): Promise<void>;
  /** Returns the QR code to scan, waiting up to 10 s for a first one; no code once the instance is linked. */
  qr(caller: Caller, id: string): Promise<{ status: InstanceState; code: string | null; expiresAt: number | null }>;
  /** Returns a pairing code, `ABCD-EFGH`. */
  requestPairingCode(caller: Caller, id: string, phone: string): Promise<string>;
  /** Starts every instance that should run; called once at boot. */
  startWanted(): Promise<void>;
}

interface InstancesDeps {
  store: InstanceStore;
  supervisor: Supervisor;
  outbox: Outbox;
  clock: Clock;
}

const qrWaitMs = 10_000;
const qrPollMs = 100;

/** Returns the use cases of instances. */
export function createInstances({ store, supervisor, outbox, clock }: InstancesDeps): Instances {
  async function get(caller: Caller, id: string): Promise<Instance> {
    const instance = await store.byId(id);
    const bound = caller.token.instanceId;
    if (!instance || instance.accountId !== caller.accountId || (bound && bound !== instance.id))
      throw new GatewayError('instance_not_found', `There is no instance ${id}`);
    return instance;
  }

  async function list(caller: Caller): Promise<Instance[]> {
    const all = await store.list(caller.accountId);
    const bound = caller.token.instanceId;
    return bound ? all.filter((instance) => instance.id === bound) : all;
  }

  async function resolve(
    caller: Caller,
    { instanceId, fromNumber }: { instanceId?: string; fromNumber?: string },
  ): Promise<Instance> {
    if (instanceId) return get(caller, instanceId);
    const all = await list(caller);
    const phone = fromNumber ? (parsePhone(fromNumber, all[0]?.defaultCountry ?? null) ?? '') : null;
    const matching = phone === null ? all : all.filter((instance) => instance.phone === phone);
    const [only, ...others] = matching;
    if (only && others.length === 0) return only;
    if (!only)
      throw new GatewayError(
        'instance_not_found',
        fromNumber
          ? `No instance is linked to ${fromNumber}`
          : 'There is no instance yet: create one and link it to a phone',
      );
    const linked = matching.filter((instance) => instance.state === 'ready');
    if (fromNumber && linked.length === 1) return linked[0]!;
    const choices = matching.map((instance) => instance.id);
    throw new GatewayError('instance_ambiguous', `Name the instance: ${choices.join(', ')}`, { details: { choices } });
  }

  async function want(caller: Caller, id: string, desiredState: Instance['desiredState']): Promise<Instance> {
    const instance = await get(caller, id);
    await store.update(id, { desiredState });
    return { ...instance, desiredState };
  }

  async function stopped(id: string, state: InstanceState, reason: string | null): Promise<void> {
    await store.update(id, { state, reason });
  }

  async function connect(caller: Caller, id: string): Promise<Instance> {
    const instance = await want(caller, id, 'run');
    supervisor.start(instance);
    return instance.state === 'ready' ? instance : { ...instance, state: 'starting', reason: null };
  }

  return {
    get,
    list,
    resolve,
    connect,

    async create(caller, { title, defaultCountry }) {
      if (caller.token.instanceId)
        throw new GatewayError('forbidden', 'This token is bound to one instance: it cannot create others');
      if (defaultCountry && !isCountry(defaultCountry))
        throw new GatewayError('invalid_input', `${defaultCountry} is not an ISO country`, {
          details: { default_country: 'is not an ISO country' },
        });
      const instance = await store.create({
        accountId: caller.accountId,
        title: title ?? null,
        defaultCountry: defaultCountry ?? null,
        now: clock.now(),
      });
      supervisor.start(instance);
      return { ...instance, state: 'starting' };
    },

    async disconnect(caller, id) {
      const instance = await want(caller, id, 'stopped');
      await supervisor.stop(id);
      await stopped(id, 'stopped', null);
      return { ...instance, state: 'stopped', reason: null };
    },

    async logout(caller, id) {
      const instance = await want(caller, id, 'stopped');
      await supervisor.logout(id);
      await stopped(id, 'logged_out', 'Logged out on request');
      return { ...instance, state: 'logged_out', reason: 'Logged out on request' };
    },

    async remove(caller, id) {
      await want(caller, id, 'stopped');
      await supervisor.logout(id);
      await outbox.abandon(id, 'instance_deleted');
      await store.remove(id, clock.now());
    },

    async qr(caller, id) {
      const instance = await get(caller, id);
      if (instance.state === 'logged_out' || instance.state === 'created') await connect(caller, id);
      for (let waitedMs = 0; waitedMs < qrWaitMs; waitedMs += qrPollMs) {
        const shown = supervisor.qr(id);
        if (shown) return { status: 'qr', ...shown };
        const { state } = await get(caller, id);
        if (!['created', 'starting', 'qr', 'logged_out'].includes(state))
          return { status: state, code: null, expiresAt: null };
        await clock.sleep(qrPollMs);
      }
      return { status: (await get(caller, id)).state, code: null, expiresAt: null };
    },

    async requestPairingCode(caller, id, phone) {
      const instance = await get(caller, id);
      const digits = parsePhone(phone, instance.defaultCountry);
      if (!digits)
        throw new GatewayError('invalid_number', `${phone} is not a valid phone number`, {
          details: { phone_number: phone },
        });
      const code = await supervisor.pairingCode(id, digits);
      return code.length === 8 ? `${code.slice(0, 4)}-${code.slice(4)}` : code;
    },

    async startWanted() {
      for (const instance of await store.wanted()) supervisor.start(instance);
    },
  };
}
