import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Inbox } from '../../src/core/inbox.ts';
import type { Outbox } from '../../src/core/outbox.ts';
import { createSupervisor, type Supervisor } from '../../src/core/supervisor.ts';
import type { Instance } from '../../src/model/instance.ts';
import type { ClientEvent, ClientOptions, LinkedAccount, WhatsAppClient } from '../../src/whatsapp/client.ts';
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

let supervisor: Supervisor;
let puppets: Puppet[];
let states: string[];
let ready: string[];
let removed: string[];
let clock: TestClock;
let startFails: Error | null;
let probe: () => Promise<string>;

beforeEach(() => {
  puppets = [];
  states = [];
  ready = [];
  removed = [];
  startFails = null;
  probe = async () => 'CONNECTED';
  clock = createTestClock();
  const outbox = {
    instanceReady: async (id: string) => void ready.push(id),
    instanceGone: () => undefined,
    abandon: async () => undefined,
  } as unknown as Outbox;
  const inbox = { catchUp: async () => undefined } as unknown as Inbox;
  supervisor = createSupervisor({
    createClient(options) {
      const client: WhatsAppClient = {
        ...createScriptedClient(() => undefined),
        start: async () => {
          if (startFails) throw startFails;
        },
        stop: async () => {
          puppet.stopped = true;
        },
        probe: () => probe(),
      };
      const puppet: Puppet = { options, client, stopped: false, tell: options.onEvent };
      puppets.push(puppet);
      return client;
    },
    changeState: async (id, { state, reason }) => void states.push(`${id} ${state}${reason ? `: ${reason}` : ''}`),
    outbox,
    inbox,
    profilesDir: '/nowhere',
    removeProfile: async (dir) => void removed.push(dir),
    startConcurrency: 2,
    clock,
    random: () => 0.5,
    log: pino({ level: 'silent' }),
  });
});

afterEach(() => supervisor.close());

const start = (id: string) => supervisor.start({ id, state: 'created' } as Instance);
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
  ['CONFLICT', 'A action_required: WhatsApp Web was opened elsewhere with this link'],
  ['TOS_BLOCK', 'A action_required: WhatsApp has blocked this number (terms of service)'],
])('takes the connection state %s for what it means, and back', async (connection, state) => {
  start('A');
  await born(1);
  puppets[0]!.tell({ type: 'ready', account });
  await until('it may send', () => ready.length === 1);
  puppets[0]!.tell({ type: 'connection', state: connection });
  await until('the state is told', () => states.includes(state));
  expect(() => supervisor.client('A')).toThrow('not connected');
  puppets[0]!.tell({ type: 'connection', state: 'CONNECTED' });
  await until('it may send again', () => ready.length === 2);
});

it('finds a page that does not answer and starts it again', async () => {
  start('A');
  await born(1);
  puppets[0]!.tell({ type: 'ready', account });
  await until('it may send', () => ready.length === 1);
  probe = () => Promise.reject(new Error('The page does not answer'));
  await supervisor.tick();
  probe = async () => 'CONNECTED';
  await born(2);
  expect(states).toContain('A disconnected: The page does not answer');
});

it('gives up a start that leads nowhere', async () => {
  start('A');
  await born(1);
  clock.advance(121_000);
  await supervisor.tick();
  await born(2);
  expect(states).toContain('A failed: Nothing happened in time while starting');
});

it('lets a QR code be shown for as long as it takes', async () => {
  start('A');
  await born(1);
  puppets[0]!.tell({ type: 'qr', code: 'x' });
  clock.advance(3_600_000);
  await supervisor.tick();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(puppets).toHaveLength(1);
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
