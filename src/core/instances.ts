import type { AuditAction } from '../model/audit.ts';
import { GatewayError } from '../model/errors.ts';
import type { Instance, InstanceState } from '../model/instance.ts';
import { parsePhone } from '../model/phone.ts';
import type { Clock } from '../model/time.ts';
import type { Caller } from '../model/token.ts';
import type { Database } from '../store/database.ts';
import type { InstanceStore } from '../store/instances.ts';
import type { Audit } from './audit.ts';
import { homeCountry } from './country.ts';
import { createExclusive } from './exclusive.ts';
import { audited, checkCountry, type InstanceChanges, toPatch } from './instance-settings.ts';
import type { ChangeState } from './instance-states.ts';
import type { Outbox } from './outbox.ts';
import type { Secrets } from './secrets.ts';
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
   * @throws GatewayError instance_not_found | instance_ambiguous (details.choices: instance ids) | invalid_input (both are named and do not belong together)
   */
  resolve(caller: Caller, by: { instanceId?: string; fromNumber?: string }): Promise<Instance>;
  /**
   * Changes settings of an instance; what is absent stays. `restartNeeded` tells that a running browser still has the old ones.
   * @throws GatewayError invalid_input
   */
  update(caller: Caller, id: string, changes: InstanceChanges): Promise<{ instance: Instance; restartNeeded: boolean }>;
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
  database: Database;
  store: InstanceStore;
  supervisor: Supervisor;
  outbox: Outbox;
  audit: Pick<Audit, 'record'>;
  changeState: ChangeState;
  secrets: Pick<Secrets, 'seal'>;
  clock: Clock;
}

const qrWaitMs = 10_000;
const qrPollMs = 100;

/** Returns the use cases of instances. */
export function createInstances({
  database,
  store,
  supervisor,
  outbox,
  audit,
  changeState,
  secrets,
  clock,
}: InstancesDeps): Instances {
  async function get(caller: Caller, id: string): Promise<Instance> {
    const instance = await store.byId(id);
    const bound = caller.token.instanceId;
    if (!instance || instance.accountId !== caller.accountId || (bound && bound !== instance.id))
      throw new GatewayError('instance_not_found', `There is no instance ${id}`);
    return instance;
  }

  async function list(caller: Caller): Promise<Instance[]> {
    return visible(caller, await store.list(caller.accountId));
  }

  /** A number that is written in full is found by its digits: one row, however many instances there are. */
  async function withNumber(caller: Caller, fromNumber: string): Promise<Instance[]> {
    const digits = /^\+?(\d{7,15})$/.exec(fromNumber)?.[1];
    const known = digits ? visible(caller, await store.withPhone(caller.accountId, digits)) : [];
    if (known.length > 0) return known;
    const all = await list(caller);
    const phone = parsePhone(fromNumber, all[0]?.defaultCountry ?? null);
    return phone === null ? [] : all.filter((instance) => instance.phone === phone);
  }

  async function resolve(
    caller: Caller,
    { instanceId, fromNumber }: { instanceId?: string; fromNumber?: string },
  ): Promise<Instance> {
    if (instanceId) {
      const instance = await get(caller, instanceId);
      checkNumber(instance, fromNumber);
      return instance;
    }
    const matching = fromNumber ? await withNumber(caller, fromNumber) : await list(caller);
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

  async function want(
    caller: Caller,
    id: string,
    { desiredState, action }: { desiredState: Instance['desiredState']; action: AuditAction },
  ): Promise<Instance> {
    const instance = await get(caller, id);
    await database.transaction(async (trx) => {
      await store.update(id, { desiredState }, trx);
      await audit.record(caller, { action, subject: id, instanceId: id }, trx);
    });
    return { ...instance, desiredState };
  }

  /** Starting, stopping and removing an instance follow one another: none begins in the middle of another. */
  const inTurn = createExclusive();

  /** Writes how a session ended that the supervisor was told to end. */
  async function settled(id: string, state: 'stopped' | 'logged_out', reason: string | null): Promise<void> {
    const unlinked = state === 'logged_out' ? { linkedAt: null } : {};
    await changeState(id, { ...unlinked, state, reason, attempts: 0, nextAttemptAt: null });
  }

  const connect = (caller: Caller, id: string): Promise<Instance> => inTurn(id, () => start(caller, id));

  async function start(caller: Caller, id: string): Promise<Instance> {
    const instance = await want(caller, id, { desiredState: 'run', action: 'instance.connected' });
    supervisor.start(instance);
    if (instance.state === 'ready') return instance;
    return { ...instance, state: 'starting', stateSince: clock.now(), reason: null, actionCode: null };
  }

  return {
    get,
    list,
    resolve,
    connect,

    async create(caller, { title, defaultCountry }) {
      if (caller.token.instanceId)
        throw new GatewayError('forbidden', 'This token is bound to one instance: it cannot create others');
      checkCountry(defaultCountry);
      const { accountId } = caller;
      const input = { accountId, title: title ?? null, defaultCountry: defaultCountry ?? null, now: clock.now() };
      const instance = await database.transaction(async (trx) => {
        const made = await store.create(input, trx);
        await audit.record(caller, { action: 'instance.created', subject: made.id, instanceId: made.id }, trx);
        return made;
      });
      supervisor.start(instance);
      return { ...instance, state: 'starting' };
    },

    async update(caller, id, changes) {
      const instance = await get(caller, id);
      const patch = toPatch(changes, secrets);
      const told = audited(instance, patch);
      await database.transaction(async (trx) => {
        await store.update(id, patch, trx);
        await audit.record(caller, { action: 'instance.updated', subject: id, instanceId: id, changes: told }, trx);
      });
      const isLost = instance.actionCode === 'taken_over' && instance.desiredState === 'run';
      // A session that runs takes its link back.
      if (isLost && patch.onConflict === 'takeover') supervisor.start(instance);
      const restarts = ['proxySealed', 'userAgent'].some((key) => key in patch);
      return {
        instance: { ...instance, ...patch },
        restartNeeded: restarts && instance.desiredState === 'run',
      };
    },

    disconnect: (caller, id) =>
      inTurn(id, async () => {
        await want(caller, id, { desiredState: 'stopped', action: 'instance.disconnected' });
        await supervisor.stop(id);
        await settled(id, 'stopped', null);
        return await get(caller, id);
      }),

    logout: (caller, id) =>
      inTurn(id, async () => {
        await want(caller, id, { desiredState: 'stopped', action: 'instance.logged_out' });
        await supervisor.logout(id);
        await settled(id, 'logged_out', 'Logged out on request');
        return await get(caller, id);
      }),

    remove: (caller, id) =>
      inTurn(id, async () => {
        await want(caller, id, { desiredState: 'stopped', action: 'instance.deleted' });
        await supervisor.logout(id);
        await outbox.abandon(id, 'instance_deleted');
        await store.remove(id, clock.now());
      }),

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
      await audit.record(caller, { action: 'instance.pairing_requested', subject: id, instanceId: id });
      return code.length === 8 ? `${code.slice(0, 4)}-${code.slice(4)}` : code;
    },

    async startWanted() {
      await Promise.all((await store.wanted()).map(supervisor.resume));
    },
  };
}

/** Better no message than one from another number than the caller thinks. @throws GatewayError invalid_input */
function checkNumber(instance: Instance, fromNumber: string | undefined): void {
  if (!fromNumber || instance.phone === null) return;
  const meant = parsePhone(fromNumber, homeCountry(null, instance, null)) ?? fromNumber.replaceAll(/\D/g, '');
  if (meant === instance.phone) return;
  const problem = `from_number ${fromNumber} is not the number of ${instance.id}: name one of them`;
  throw new GatewayError('invalid_input', problem, { details: { from_number: problem } });
}

/** Returns those of the account's instances that the token reaches. */
function visible({ token }: Caller, instances: Instance[]): Instance[] {
  return token.instanceId ? instances.filter(({ id }) => id === token.instanceId) : instances;
}
