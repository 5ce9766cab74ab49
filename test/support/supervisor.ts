import { pino } from 'pino';
import { afterEach, beforeEach } from 'vitest';
import type { Inbox } from '../../src/core/inbox.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import { createSupervisor, type Supervisor } from '../../src/core/supervisor.ts';
import type { SupervisionLimits } from '../../src/core/supervisor/limits.ts';
import type { Instance } from '../../src/model/instance.ts';
import type {
  BrowserMemory,
  ClientEvent,
  ClientOptions,
  LinkedAccount,
  Restrictions,
  WhatsAppClient,
} from '../../src/whatsapp/client.ts';
import { createScriptedClient } from './client.ts';
import { createTestClock, type TestClock, until } from './clock.ts';

/** A client that a test speaks for. */
interface Puppet {
  options: ClientOptions;
  client: WhatsAppClient;
  stopped: boolean;
  tell(event: ClientEvent): void;
}

/** What is around the supervisor: a test sets how it is, and reads what was asked of it. */
interface World {
  puppets: Puppet[];
  /** Every change that was written: `A failed: why`. */
  states: string[];
  /** Instances whose messages may be sent, one entry each time. */
  ready: string[];
  /** Profiles. */
  removed: string[];
  clock: TestClock;
  startFails: Error | null;
  probe: () => Promise<string>;
  rows: Map<string, Instance>;
  memory: BrowserMemory | null;
  /** How many copies of profiles there are. */
  copies: number;
  takeovers: number;
  timelock: Restrictions['timelock'];
  doubted: string[];
  drained: string[];
  /** Instances whose page has what it has missed still to tell. */
  behind: string[];
  /** How it is told. */
  tellMissed: () => Promise<void>;
  /** What was logged as an error. */
  errors: string[];
  /** Whether a browser starts on an empty profile. */
  works: boolean;
  databaseFails: boolean;
  /** Writes of states wait for it. */
  databaseAnswers: Promise<void>;
}

/** A supervisor of puppets, new before each test. */
export interface SupervisorBed extends World {
  readonly supervisor: Supervisor;
  /** Ends the supervisor and begins with another. */
  restart(limits: Partial<SupervisionLimits>): Promise<void>;
  /** Writes the row of an instance and starts it. */
  start(id: string, patch?: Partial<Instance>): void;
  /** Starts an instance and brings it to ready. */
  bringUp(id: string, patch?: Partial<Instance>): Promise<Puppet>;
  /** Waits until there have been so many clients. */
  born(count: number): Promise<void>;
}

export const account: LinkedAccount = { phone: '255757000001', lid: null, pushName: 'Shop', webVersion: '2.3000.1' };

/** The row of an instance that has not been started yet. */
export const asleep = {
  state: 'created',
  reason: null,
  actionCode: null,
  attempts: 0,
  nextAttemptAt: null,
  linkedAt: null,
  lastReadyAt: null,
  onConflict: 'wait',
  proxySealed: null,
  userAgent: null,
} as unknown as Instance;

/** Resolves after some real time, in which the supervisor can do what it should not. */
export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Short where a test waits for it; what it does not wait for is told by the clock. */
const shortLimits: Partial<SupervisionLimits> = {
  beatMs: 5,
  probeEveryMs: 15,
  silenceMs: 200,
  stopMs: 1_000,
  memoryEveryMs: 20,
  writeRetryMs: 30,
  inspectEveryMs: 20,
};

/** Prepares the tests of the file for a supervisor. */
export function useSupervisor(): SupervisorBed {
  let supervisor: Supervisor;

  beforeEach(() => {
    Object.assign(bed, newWorld());
    supervisor = createSupervisor(depsOf(bed));
  });
  afterEach(() => supervisor.close());

  const bed: SupervisorBed = {
    ...newWorld(),

    get supervisor() {
      return supervisor;
    },

    async restart(limits) {
      await supervisor.close();
      supervisor = createSupervisor({ ...depsOf(bed), limits: { ...shortLimits, ...limits } });
    },

    start(id, patch = {}) {
      bed.rows.set(id, { ...asleep, id, ...patch });
      supervisor.start(bed.rows.get(id)!);
    },

    async bringUp(id, patch = {}) {
      const before = { puppets: bed.puppets.length, ready: bed.ready.length };
      bed.start(id, patch);
      await bed.born(before.puppets + 1);
      bed.puppets.at(-1)!.tell({ type: 'ready', account });
      await until('it may send', () => bed.ready.length > before.ready);
      return bed.puppets.at(-1)!;
    },

    born: (count) => until(`${count} clients are born`, () => bed.puppets.length >= count),
  };
  return bed;
}

function newWorld(): World {
  return {
    puppets: [],
    states: [],
    ready: [],
    removed: [],
    clock: createTestClock(),
    startFails: null,
    probe: async () => 'CONNECTED',
    rows: new Map(),
    memory: null,
    copies: 0,
    takeovers: 0,
    timelock: null,
    doubted: [],
    drained: [],
    behind: [],
    tellMissed: async () => undefined,
    errors: [],
    works: true,
    databaseFails: false,
    databaseAnswers: Promise.resolve(),
  };
}

function depsOf(world: World): Parameters<typeof createSupervisor>[0] {
  const outbox = {
    instanceReady: async (id: string) => {
      if (world.databaseFails) throw new Error('the database is away');
      world.ready.push(id);
    },
    instanceGone: () => undefined,
    abandon: async () => undefined,
    doubt: async (id: string) => void world.doubted.push(id),
    drain: async (id: string) => world.drained.push(id) > 0,
  } as unknown as Outbox;
  const inbox = {
    pageBegins: (id: string) => void world.behind.push(id),
    pageGone: () => undefined,
    async catchUp(id: string) {
      await world.tellMissed();
      world.behind.splice(world.behind.indexOf(id), 1);
    },
  } as unknown as Inbox;

  return {
    createClient(options) {
      const client: WhatsAppClient = {
        ...createScriptedClient(() => undefined),
        start: async () => {
          if (world.startFails) throw world.startFails;
          await new Promise(() => undefined);
        },
        stop: async () => {
          puppet.stopped = true;
          return true;
        },
        probe: () => world.probe(),
        memory: async () => world.memory,
        takeover: async () => void (world.takeovers += 1),
        restrictions: async () => ({ timelock: world.timelock, newChats: null }),
      };
      const puppet: Puppet = { options, client, stopped: false, tell: options.onEvent };
      world.puppets.push(puppet);
      return client;
    },
    async changeState(id, patch) {
      if (world.databaseFails) throw new Error('the database is away');
      await world.databaseAnswers;
      world.rows.set(id, { ...world.rows.get(id)!, ...patch });
      const line = `${id} ${patch.state}${patch.reason ? `: ${patch.reason}` : ''}`;
      if (world.states.at(-1) !== line) world.states.push(line);
    },
    instance: async (id) => world.rows.get(id) ?? null,
    openSecret: (sealed) => sealed,
    outbox,
    inbox,
    features: { learn: async () => undefined, forget: () => undefined },
    amendments: { take: () => undefined, catchUp: async () => undefined },
    signals: { take: () => undefined },
    passkeys: { hear: () => 'WhatsApp asks for a passkey', over: () => undefined },
    profilesDir: '/nowhere',
    profiles: {
      remove: async (dir) => void world.removed.push(dir),
      keepCopy: async () => void (world.copies += 1),
      restore: async () => {
        world.copies -= 1;
        return world.copies >= 0;
      },
      restoreHelped: async () => void (world.copies += 1),
      browserWorks: async () => world.works,
    },
    memoryLimitBytes: 1_000,
    startConcurrency: 2,
    limits: shortLimits,
    clock: world.clock,
    random: () => 0.5,
    log: pino({ level: 'error' }, { write: (line) => world.errors.push(line) }),
  };
}
