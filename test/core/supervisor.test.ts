import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Inbox } from '../../src/core/inbox.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import { actionTable } from '../../src/model/action.ts';
import { createSupervisor, type Supervisor } from '../../src/core/supervisor.ts';
import type { Instance } from '../../src/model/instance.ts';
import type { SupervisionLimits } from '../../src/core/supervisor/limits.ts';
import {
  type BrowserMemory,
  ClientError,
  type ClientEvent,
  type ClientOptions,
  type LinkedAccount,
  type Restrictions,
  type WhatsAppClient,
} from '../../src/whatsapp/client.ts';
import { createScriptedClient } from '../support/client.ts';
import { createTestClock, type TestClock, until } from '../support/clock.ts';

/** A client that a test speaks for. */
interface Puppet {
  options: ClientOptions;
  client: WhatsAppClient;
  stopped: boolean;
  tell(event: ClientEvent): void;
}

const account: LinkedAccount = { phone: '255757000001', lid: null, pushName: 'Shop', webVersion: '2.3000.1' };

let supervisorDeps: Parameters<typeof createSupervisor>[0];
let supervisor: Supervisor;
let puppets: Puppet[];
let states: string[];
let ready: string[];
let removed: string[];
let clock: TestClock;
let startFails: Error | null;
let probe: () => Promise<string>;
let rows: Map<string, Instance>;
let memory: BrowserMemory | null;
let copies: number;
let takeovers: number;
let timelock: Restrictions['timelock'];
let doubted: string[];
let drained: string[];
/** Instances whose page has what it has missed still to tell. */
let behind: string[];
/** How it is told. */
let tellMissed: () => Promise<void>;
let works: boolean;
let databaseFails: boolean;
/** Writes of states wait for it. */
let databaseAnswers: Promise<void>;

/** Short where a test waits for it; what it does not wait for is told by the clock. */
const limits: Partial<SupervisionLimits> = {
  beatMs: 5,
  probeEveryMs: 15,
  silenceMs: 200,
  stopMs: 1_000,
  memoryEveryMs: 20,
  writeRetryMs: 30,
  inspectEveryMs: 20,
};

beforeEach(() => {
  rows = new Map();
  memory = null;
  copies = 0;
  takeovers = 0;
  timelock = null;
  doubted = [];
  drained = [];
  behind = [];
  tellMissed = async () => undefined;
  works = true;
  databaseFails = false;
  databaseAnswers = Promise.resolve();
  puppets = [];
  states = [];
  ready = [];
  removed = [];
  startFails = null;
  probe = async () => 'CONNECTED';
  clock = createTestClock();
  const outbox = {
    instanceReady: async (id: string) => {
      if (databaseFails) throw new Error('the database is away');
      ready.push(id);
    },
    instanceGone: () => undefined,
    abandon: async () => undefined,
    doubt: async (id: string) => void doubted.push(id),
    drain: async (id: string) => drained.push(id) > 0,
  } as unknown as Outbox;
  const inbox = {
    pageBegins: (id: string) => void behind.push(id),
    pageGone: () => undefined,
    async catchUp(id: string) {
      await tellMissed();
      behind.splice(behind.indexOf(id), 1);
    },
  } as unknown as Inbox;
  supervisorDeps = {
    createClient(options) {
      const client: WhatsAppClient = {
        ...createScriptedClient(() => undefined),
        start: async () => {
          if (startFails) throw startFails;
          await new Promise(() => undefined);
        },
        stop: async () => {
          puppet.stopped = true;
          return true;
        },
        probe: () => probe(),
        memory: async () => memory,
        takeover: async () => void (takeovers += 1),
        restrictions: async () => ({ timelock, newChats: null }),
      };
      const puppet: Puppet = { options, client, stopped: false, tell: options.onEvent };
      puppets.push(puppet);
      return client;
    },
    async changeState(id, patch) {
      if (databaseFails) throw new Error('the database is away');
      await databaseAnswers;
      rows.set(id, { ...rows.get(id)!, ...patch });
      const line = `${id} ${patch.state}${patch.reason ? `: ${patch.reason}` : ''}`;
      if (states.at(-1) !== line) states.push(line);
    },
    instance: async (id) => rows.get(id) ?? null,
    openSecret: (sealed) => sealed,
    outbox,
    inbox,
    features: { learn: async () => undefined, forget: () => undefined },
    amendments: { take: () => undefined, catchUp: async () => undefined },
    signals: { take: () => undefined },
    passkeys: { hear: () => 'WhatsApp asks for a passkey', over: () => undefined },
    profilesDir: '/nowhere',
    profiles: {
      remove: async (dir) => void removed.push(dir),
      keepCopy: async () => void (copies += 1),
      restore: async () => {
        copies -= 1;
        return copies >= 0;
      },
      browserWorks: async () => works,
    },
    memoryLimitBytes: 1_000,
    startConcurrency: 2,
    limits,
    clock,
    random: () => 0.5,
    log: pino({ level: 'silent' }),
  };
  supervisor = createSupervisor(supervisorDeps);
});

afterEach(() => supervisor.close());

/** Writes the row of an instance and starts it. */
function start(id: string, patch: Partial<Instance> = {}): void {
  rows.set(id, { ...asleep, id, ...patch });
  supervisor.start(rows.get(id)!);
}

const asleep = {
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

/** Starts an instance and brings it to ready. */
async function bringUp(id: string, patch: Partial<Instance> = {}): Promise<Puppet> {
  const before = { puppets: puppets.length, ready: ready.length };
  start(id, patch);
  await born(before.puppets + 1);
  puppets.at(-1)!.tell({ type: 'ready', account });
  await until('it may send', () => ready.length > before.ready);
  return puppets.at(-1)!;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const born = (count: number) => until(`${count} clients are born`, () => puppets.length >= count);

it('goes from start over the QR code to ready, and then sends', async () => {
  start('A');
  await born(1);
  puppets[0]!.tell({ type: 'qr', code: '2@abc' });
  expect(supervisor.qr('A')).toMatchObject({ code: '2@abc' });
  expect(() => supervisor.client('A')).toThrow('not connected');
  puppets[0]!.tell({ type: 'authenticating' });
  puppets[0]!.tell({ type: 'ready', account });
  await until('it may send', () => ready.length === 1);
  expect(supervisor.qr('A')).toBeNull();
  expect(supervisor.client('A')).toBe(puppets[0]!.client);
  expect(states).toEqual(['A starting', 'A qr', 'A authenticating', 'A ready']);
});

it.each([
  ['the database is away', Object.assign(new Error('away'), { code: 'DATABASE_TIMEOUT' })],
  ['the page does not tell', new Error('WhatsApp Web does not answer')],
])('looks up again what was missed while %s', async (_, error) => {
  let fails = 2;
  tellMissed = async () => {
    if (fails-- > 0) throw error;
  };
  start('A');
  await born(1);
  expect(behind).toEqual(['A']);
  puppets[0]!.tell({ type: 'ready', account });
  await until('it is known', () => behind.length === 0);
});

it('sends while it is not known yet what was missed', async () => {
  tellMissed = () => new Promise(() => undefined);
  await bringUp('A');
  expect(behind).toEqual(['A']);
});

it('leaves the telling of a logout to whoever has asked for it', async () => {
  const { client, tell } = await bringUp('A');
  client.logout = async () => {
    tell({ type: 'logged_out' });
    await pause(50);
  };
  await supervisor.logout('A');
  expect(states.at(-1)).toBe('A ready');
  expect(removed).toEqual(['/nowhere/A']);
});

it('lets what is on its way be answered before a logout', async () => {
  const { client } = await bringUp('A');
  let before: string[] = [];
  client.logout = async () => void (before = [...drained]);
  await supervisor.logout('A');
  expect(before).toEqual(['A']);
});

it('waits for a passkey that WhatsApp asks for, whatever codes are made behind its screen', async () => {
  start('A');
  await born(1);
  puppets[0]!.tell({ type: 'qr', code: '2@abc' });
  puppets[0]!.tell({ type: 'passkey', told: { step: 'asked', options: null } });
  puppets[0]!.tell({ type: 'qr', code: '2@def' });
  expect(supervisor.qr('A')).toBeNull();
  await until('it is written', () => rows.get('A')!.actionCode === 'passkey');
  expect(states.at(-1)).toBe('A action_required: WhatsApp asks for a passkey');
  puppets[0]!.tell({ type: 'passkey', told: { step: 'over' } });
  puppets[0]!.tell({ type: 'qr', code: '2@ghi' });
  expect(supervisor.qr('A')).toMatchObject({ code: '2@ghi' });
});

it('starts an instance once', async () => {
  start('A');
  start('A');
  await born(1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(puppets).toHaveLength(1);
});

it('starts no more than allowed at the same time', async () => {
  for (const id of ['A', 'B', 'C']) start(id);
  await born(2);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(puppets).toHaveLength(2);
  puppets[0]!.tell({ type: 'qr', code: 'x' });
  await born(3);
});

it('says that one is starting while it waits for its turn, whatever it was before', async () => {
  start('A');
  start('B');
  await born(2);
  rows.set('C', { ...asleep, id: 'C', state: 'ready' });
  await supervisor.resume(rows.get('C')!);
  expect(puppets).toHaveLength(2);
  expect(rows.get('C')!.state).toBe('starting');
});

it('closes and starts again what has ended, and says why', async () => {
  start('A');
  await born(1);
  puppets[0]!.tell({ type: 'ready', account });
  await until('it may send', () => ready.length === 1);
  puppets[0]!.tell({ type: 'closed', reason: 'The browser has ended' });
  await born(2);
  expect(puppets[0]!.stopped).toBe(true);
  expect(states).toContain('A disconnected: The browser has ended');
});

it('says failed, with the reason, when the browser does not start, and tries again', async () => {
  startFails = new Error('Failed to launch the browser process');
  start('A');
  await born(3);
  expect(states.filter((state) => state === 'A failed: Failed to launch the browser process').length).toBeGreaterThan(
    0,
  );
});

it('forgets the profile when the phone unlinks the device, and waits for a person', async () => {
  start('A');
  await born(1);
  puppets[0]!.tell({ type: 'ready', account });
  puppets[0]!.tell({ type: 'logged_out' });
  await until('it is logged out', () => states.at(-1)!.startsWith('A logged_out'));
  expect(removed).toEqual(['/nowhere/A']);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(puppets).toHaveLength(1);
  start('A');
  await born(2);
});

it.each([
  ['TIMEOUT', 'A disconnected: WhatsApp Web cannot reach WhatsApp'],
  ['CONFLICT', `A action_required: ${actionTable.taken_over}`],
  ['TOS_BLOCK', `A action_required: ${actionTable.tos_block}`],
])('takes the connection state %s for what it means, and back', async (connection, state) => {
  start('A');
  await born(1);
  puppets[0]!.tell({ type: 'ready', account });
  await until('it may send', () => ready.length === 1);
  probe = async () => connection;
  puppets[0]!.tell({ type: 'connection', state: connection });
  await until('the state is told', () => states.includes(state));
  expect(() => supervisor.client('A')).toThrow('not connected');
  probe = async () => 'CONNECTED';
  puppets[0]!.tell({ type: 'connection', state: 'CONNECTED' });
  await until('it may send again', () => ready.length === 2);
});

it('finds a page that has died in silence and starts it again', async () => {
  await bringUp('A');
  probe = () => new Promise(() => undefined);
  await born(2);
  expect(states).toContain('A disconnected: The page does not answer');
});

it('finds it as soon while the clock is set back', async () => {
  await bringUp('A');
  clock.advance(-3 * 3_600_000);
  probe = () => new Promise(() => undefined);
  await born(2);
  expect(states).toContain('A disconnected: The page does not answer');
});

it('finds a page that is not WhatsApp Web any more', async () => {
  await bringUp('A');
  probe = () => Promise.reject(new Error('window.require is not a function'));
  await born(2);
});

it('leaves a page alone that answers late, and while this process stands still', async () => {
  await bringUp('A');
  probe = async () => {
    await pause(120);
    return 'CONNECTED';
  };
  await pause(600);
  clock.advance(3_600_000);
  await pause(100);
  expect(puppets).toHaveLength(1);
});

it('learns from a probe what no event has told', async () => {
  await bringUp('A');
  probe = async () => 'TIMEOUT';
  await until('it is disconnected', () => states.at(-1)!.startsWith('A disconnected'));
  probe = async () => 'CONNECTED';
  await until('it may send again', () => ready.length === 2);
  expect(puppets).toHaveLength(1);
});

it('gives up a start that leads nowhere', async () => {
  start('A');
  await born(1);
  clock.advance(121_000);
  await born(2);
  expect(states).toContain('A failed: WhatsApp Web did not open in time');
});

it('lets QR codes be shown for as long as new ones come, and begins anew when none does', async () => {
  start('A');
  await born(1);
  for (let minute = 0; minute < 30; minute += 1) {
    puppets[0]!.tell({ type: 'qr', code: `code ${minute}` });
    clock.advance(60_000);
    await pause(7);
  }
  expect(puppets).toHaveLength(1);
  expect(supervisor.qr('A')?.code).toBe('code 29');
  clock.advance(181_000);
  await born(2);
  expect(states).toContain('A failed: WhatsApp Web shows no new QR code');
});

it('gives up a pairing code that nobody has typed', async () => {
  start('A');
  await born(1);
  puppets[0]!.tell({ type: 'qr', code: 'x' });
  await supervisor.pairingCode('A', '255757000001');
  clock.advance(239_000);
  await pause(20);
  expect(puppets).toHaveLength(1);
  clock.advance(2_000);
  await born(2);
  expect(states).toContain('A failed: The pairing code was not used in time');
});

it('tries a fresh page when the line stays down for ten minutes', async () => {
  const { tell } = await bringUp('A');
  probe = async () => 'TIMEOUT';
  tell({ type: 'connection', state: 'TIMEOUT' });
  clock.advance(599_000);
  await pause(20);
  expect(puppets).toHaveLength(1);
  clock.advance(2_000);
  await born(2);
  expect(states).toContain('A disconnected: WhatsApp Web could not connect again');
});

it('counts the time of a phase also while the clock is set back', async () => {
  start('A');
  await born(1);
  clock.advance(-3 * 3_600_000);
  await pause(20);
  clock.advance(121_000);
  await born(2);
  expect(states).toContain('A failed: WhatsApp Web did not open in time');
});

it('gives a login its time for as long as there is progress', async () => {
  start('A');
  await born(1);
  puppets[0]!.tell({ type: 'authenticating' });
  for (let step = 0; step < 5; step += 1) {
    clock.advance(80_000);
    puppets[0]!.tell({ type: 'progress' });
    await pause(12);
  }
  expect(puppets).toHaveLength(1);
  clock.advance(91_000);
  await born(2);
});

it('wipes a fresh link that does not get ready twice, but never one that was ready once', async () => {
  start('A');
  for (let life = 1; life <= 2; life += 1) {
    await born(life);
    puppets[life - 1]!.tell({ type: 'authenticating' });
    clock.advance(91_000);
  }
  await born(3);
  expect(removed).toEqual(['/nowhere/A']);

  removed.length = 0;
  start('B', { linkedAt: 1, lastReadyAt: 1 });
  for (let life = 4; life <= 7; life += 1) {
    await born(life);
    puppets.at(-1)!.tell({ type: 'authenticating' });
    clock.advance(91_000);
  }
  expect(removed).not.toContain('/nowhere/B');
});

it('goes on with the pauses where a restart of the gateway has interrupted them', async () => {
  const row = { ...asleep, id: 'A', state: 'failed' as const, attempts: 6, nextAttemptAt: clock.now() + 200_000 };
  rows.set('A', row);
  const slept: number[] = [];
  clock.sleep = async (ms) => void slept.push(ms);
  await supervisor.resume(row);
  await born(1);
  expect(slept[0]).toBeGreaterThan(100_000);
  puppets[0]!.tell({ type: 'closed', reason: 'gone' });
  await born(2);
  expect(rows.get('A')).toMatchObject({ attempts: 7 });
  expect(slept.at(-1)).toBeGreaterThanOrEqual(240_000);
});

it('forgets old failures after five steady minutes, not before', async () => {
  const first = await bringUp('A');
  first.tell({ type: 'closed', reason: 'gone' });
  await born(2);
  puppets[1]!.tell({ type: 'ready', account });
  await until('it may send', () => ready.length === 2);
  await pause(30);
  expect(rows.get('A')!.attempts).toBe(1);
  clock.advance(301_000);
  await until('they are forgotten', () => rows.get('A')!.attempts === 0);
});

it('forgets them as soon while the clock is set back', async () => {
  const first = await bringUp('A');
  first.tell({ type: 'closed', reason: 'gone' });
  await born(2);
  puppets[1]!.tell({ type: 'ready', account });
  await until('it may send', () => ready.length === 2);
  clock.advance(-3 * 3_600_000);
  await pause(30);
  clock.advance(200_000);
  await pause(30);
  expect(rows.get('A')!.attempts).toBe(1);
  clock.advance(101_000);
  await until('they are forgotten', () => rows.get('A')!.attempts === 0);
});

it('starts at once when a person asks for it during a pause', async () => {
  startFails = new Error('no');
  clock.sleep = (ms, signal) =>
    new Promise((resolve, reject) => {
      setTimeout(resolve, ms);
      signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
    });
  start('A');
  await until('it has failed', () => states.includes('A failed: no'));
  startFails = null;
  supervisor.start(rows.get('A')!);
  await born(2);
  expect(rows.get('A')).toMatchObject({ state: 'starting', attempts: 0, nextAttemptAt: null });
});

it('says with a code what a person has to do when the start fails for a known reason', async () => {
  startFails = new ClientError('profile_in_use', 'The browser profile is in use by process 7');
  start('A');
  await until('it is told', () => rows.get('A')?.actionCode === 'profile_in_use');
  expect(states).toContain('A action_required: The browser profile is in use by process 7');
});

it('takes the link back where it is told to, a few times only', async () => {
  const { tell } = await bringUp('A', { onConflict: 'takeover' });
  for (let time = 0; time < 5; time += 1) {
    tell({ type: 'connection', state: 'CONFLICT' });
    await pause(15);
    tell({ type: 'connection', state: 'CONNECTED' });
  }
  expect(takeovers).toBe(3);
});

it('leaves the other WhatsApp Web alone until a person connects again', async () => {
  const { tell } = await bringUp('A');
  probe = async () => 'CONFLICT';
  tell({ type: 'connection', state: 'CONFLICT' });
  await until('it is told', () => rows.get('A')?.actionCode === 'taken_over');
  await pause(50);
  expect(takeovers).toBe(0);
  supervisor.start(rows.get('A')!);
  await until('it takes over', () => takeovers === 1);
});

it('goes on saying what a person has to do while the line comes and goes', async () => {
  const { tell } = await bringUp('A');
  probe = async () => 'OPENING';
  tell({ type: 'connection', state: 'CONFLICT' });
  tell({ type: 'connection', state: 'OPENING' });
  await pause(50);
  expect(rows.get('A')).toMatchObject({ state: 'action_required', actionCode: 'taken_over' });
  expect(() => supervisor.client('A')).toThrow(`(it is action_required: ${actionTable.taken_over})`);
  probe = async () => 'CONNECTED';
  tell({ type: 'connection', state: 'CONNECTED' });
  await until('it is ready', () => rows.get('A')?.state === 'ready');
});

it('says that one which was never started does not run', async () => {
  expect(() => supervisor.client('A')).toThrow('Instance A is not connected to WhatsApp (it is not started)');
  await expect(supervisor.pairingCode('A', '255700000001')).rejects.toThrow('(it is not started)');
});

it('says again that a number may not write to new people once the line is back', async () => {
  await supervisor.close();
  supervisor = createSupervisor({ ...supervisorDeps, limits: { ...limits, inspectEveryMs: 3_600_000 } });
  timelock = { isActive: true, endsAt: null };
  const { tell } = await bringUp('A');
  const isTold = () => rows.get('A')?.actionCode === 'time_lock';
  await until('it is told', isTold);
  probe = async () => 'OPENING';
  tell({ type: 'connection', state: 'OPENING' });
  await until('the line is down', () => rows.get('A')?.state === 'disconnected');
  probe = async () => 'CONNECTED';
  tell({ type: 'connection', state: 'CONNECTED' });
  await until('it is told again', isTold);
});

it('says that a number may not write to new people, while it works on, and when that is over', async () => {
  await bringUp('A');
  timelock = { isActive: true, endsAt: Date.UTC(2026, 11, 24) };
  await until('it is told', () => rows.get('A')?.actionCode === 'time_lock');
  expect(rows.get('A')).toMatchObject({ state: 'ready', reason: expect.stringContaining('(until 2026-12-24T00:00') });
  expect(supervisor.client('A')).toBe(puppets[0]!.client);
  timelock = { isActive: false, endsAt: null };
  await until('it is over', () => rows.get('A')?.actionCode === null);
  expect(rows.get('A')).toMatchObject({ state: 'ready', reason: null });
});

it('asks for a new scan in words when the page has lost the login and there is no copy of the profile', async () => {
  start('A', { linkedAt: 1, lastReadyAt: 1 });
  await born(1);
  puppets[0]!.tell({ type: 'qr', code: 'x' });
  await born(2);
  expect(doubted).toEqual(['A']);
  puppets[1]!.tell({ type: 'qr', code: 'y' });
  await until('it asks', () => rows.get('A')?.state === 'qr');
  expect(rows.get('A')).toMatchObject({ linkedAt: null, actionCode: 'scan_again' });
  expect(supervisor.qr('A')?.code).toBe('y');
});

it('puts the copy of a clean end back when the page has lost the login', async () => {
  await bringUp('A');
  await supervisor.stop('A');
  expect(copies).toBe(1);
  start('A', { linkedAt: 1, lastReadyAt: 1 });
  await born(2);
  puppets[1]!.tell({ type: 'qr', code: 'x' });
  await born(3);
  expect(copies).toBe(0);
  expect(rows.get('A')!.linkedAt).toBe(1);
});

it('suspects the profile after three browsers that did not start, unless none starts at all', async () => {
  copies = 1;
  works = false;
  startFails = new ClientError('browser_failed', 'crashed');
  start('A', { linkedAt: 1, lastReadyAt: 1 });
  await born(5);
  expect(copies).toBe(1);
  works = true;
  await until('the copy is used', () => copies < 1);
});

it('restarts a browser that has grown too large once nothing is on the way, and not soon again', async () => {
  await bringUp('A');
  memory = { pssBytes: 2_000, rssBytes: 3_000 };
  await until('it is measured', () => supervisor.memory('A')?.pssBytes === 2_000);
  await pause(30);
  expect(puppets).toHaveLength(1);
  clock.advance(1_801_000);
  await born(2);
  expect(drained).toEqual(['A']);
  puppets[1]!.tell({ type: 'ready', account });
  await until('it may send again', () => ready.length === 2);
  await pause(50);
  expect(puppets).toHaveLength(2);
  expect(rows.get('A')!.attempts).toBe(0);
});

it('restarts it as soon while the clock is set back', async () => {
  await bringUp('A');
  memory = { pssBytes: 2_000, rssBytes: 3_000 };
  clock.advance(-3 * 3_600_000);
  await until('it is measured', () => supervisor.memory('A')?.pssBytes === 2_000);
  clock.advance(1_000_000);
  await pause(30);
  expect(puppets).toHaveLength(1);
  clock.advance(801_000);
  await born(2);
});

it('leaves a healthy browser alone while the database is away, and makes up for it', async () => {
  start('A');
  await born(1);
  databaseFails = true;
  puppets[0]!.tell({ type: 'ready', account });
  await pause(100);
  expect(rows.get('A')!.state).toBe('starting');
  databaseFails = false;
  await until('the state is written', () => rows.get('A')!.state === 'ready');
  await until('it may send', () => ready.length === 1);
  expect(rows.get('A')).toMatchObject({ phone: account.phone, webVersion: account.webVersion });
  expect(puppets).toHaveLength(1);
});

it('takes its work up again when the page was unpaired for a moment only', async () => {
  const { tell } = await bringUp('A');
  clock.sleep = async () => void (await pause(30));
  tell({ type: 'connection', state: 'UNPAIRED' });
  tell({ type: 'connection', state: 'CONNECTED' });
  await until('it may send again', () => ready.length === 2);
  await pause(60);
  expect(puppets).toHaveLength(1);
  tell({ type: 'connection', state: 'UNPAIRED' });
  probe = async () => 'UNPAIRED';
  await born(2);
});

it('starts again what is asked for while it is still being stopped', async () => {
  await bringUp('A', { desiredState: 'run' });
  const stopped = supervisor.stop('A');
  supervisor.start(rows.get('A')!);
  await stopped;
  await born(2);

  const again = supervisor.stop('A');
  rows.set('A', { ...rows.get('A')!, desiredState: 'stopped' });
  supervisor.start(rows.get('A')!);
  await again;
  await pause(30);
  expect(puppets).toHaveLength(2);
});

it('has written all its states when it is stopped, also while it waits for its turn', async () => {
  for (const id of ['A', 'B']) start(id);
  await born(2);
  databaseAnswers = new Promise((resolve) => setImmediate(resolve));
  start('C');
  await supervisor.stop('C').then(() => states.push('C has ended'));
  await until('it is written', () => states.includes('C starting'));
  expect(states.slice(-2)).toEqual(['C starting', 'C has ended']);
});

it('does not start what was stopped while it was about to be started again', async () => {
  const puppet = await bringUp('A', { desiredState: 'run' } as Partial<Instance>);
  const before = puppets.length;
  let letGo = () => undefined as void;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  let isHeld = false;
  const { get } = rows;
  rows.get = (id) => {
    const row = get.call(rows, id);
    isHeld = true;
    return gate.then(() => row) as unknown as Instance;
  };
  const stopping = supervisor.stop('A');
  supervisor.start({ ...asleep, id: 'A' });
  await stopping;
  await until('its row is read', () => isHeld);
  await supervisor.stop('A');
  letGo();
  rows.get = get;
  await new Promise((resolve) => setImmediate(resolve));
  expect(puppet.stopped).toBe(true);
  expect(puppets).toHaveLength(before);
});

it('ignores what a stopped client still says', async () => {
  start('A');
  await born(1);
  await supervisor.stop('A');
  expect(puppets[0]!.stopped).toBe(true);
  puppets[0]!.tell({ type: 'closed', reason: 'late' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(puppets).toHaveLength(1);
});

it('gives a pairing code only while it waits to be linked', async () => {
  start('A');
  await born(1);
  await expect(supervisor.pairingCode('A', '255757000001')).rejects.toThrow('not waiting to be linked');
  puppets[0]!.tell({ type: 'qr', code: 'x' });
  expect(await supervisor.pairingCode('A', '255757000001')).toBe('ABCDEFGH');
  expect(states.at(-1)).toBe('A pairing');
});
