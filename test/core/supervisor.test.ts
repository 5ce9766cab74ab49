import { expect, it } from 'vitest';
import type { Instance } from '../../src/model/instance.ts';
import { until } from '../support/clock.ts';
import { account, asleep, pause, useSupervisor } from '../support/supervisor.ts';

const bed = useSupervisor();
const { born, bringUp, start } = bed;

it('goes from start over the QR code to ready, and then sends', async () => {
  start('A');
  await born(1);
  bed.puppets[0]!.tell({ type: 'qr', code: '2@abc' });
  expect(bed.supervisor.qr('A')).toMatchObject({ code: '2@abc' });
  expect(() => bed.supervisor.client('A')).toThrow('not connected');
  bed.puppets[0]!.tell({ type: 'authenticating' });
  bed.puppets[0]!.tell({ type: 'ready', account });
  await until('it may send', () => bed.ready.length === 1);
  expect(bed.supervisor.qr('A')).toBeNull();
  expect(bed.supervisor.client('A')).toBe(bed.puppets[0]!.client);
  expect(bed.states).toEqual(['A starting', 'A qr', 'A authenticating', 'A ready']);
});

it('leaves the telling of a logout to whoever has asked for it', async () => {
  const { client, tell } = await bringUp('A');
  client.logout = async () => {
    tell({ type: 'logged_out' });
    await pause(50);
  };
  await bed.supervisor.logout('A');
  expect(bed.states.at(-1)).toBe('A ready');
  expect(bed.removed).toEqual(['/nowhere/A']);
});

it('keeps no copy of a profile that a logout makes worthless', async () => {
  await bringUp('A');
  const copies = bed.copies;
  await bed.supervisor.logout('A');
  expect(bed.copies).toBe(copies);
});

it('lets what is on its way be answered before a logout', async () => {
  const { client } = await bringUp('A');
  let before: string[] = [];
  client.logout = async () => void (before = [...bed.drained]);
  await bed.supervisor.logout('A');
  expect(before).toEqual(['A']);
});

it('waits for a passkey that WhatsApp asks for, whatever codes are made behind its screen', async () => {
  start('A');
  await born(1);
  bed.puppets[0]!.tell({ type: 'qr', code: '2@abc' });
  bed.puppets[0]!.tell({ type: 'passkey', told: { step: 'asked', options: null } });
  bed.puppets[0]!.tell({ type: 'qr', code: '2@def' });
  expect(bed.supervisor.qr('A')).toBeNull();
  await until('it is written', () => bed.rows.get('A')!.actionCode === 'passkey');
  expect(bed.states.at(-1)).toBe('A action_required: WhatsApp asks for a passkey');
  bed.puppets[0]!.tell({ type: 'passkey', told: { step: 'over' } });
  bed.puppets[0]!.tell({ type: 'qr', code: '2@ghi' });
  expect(bed.supervisor.qr('A')).toMatchObject({ code: '2@ghi' });
});

it('starts an instance once', async () => {
  start('A');
  start('A');
  await born(1);
  await pause(20);
  expect(bed.puppets).toHaveLength(1);
});

it('starts no more than allowed at the same time', async () => {
  for (const id of ['A', 'B', 'C']) start(id);
  await born(2);
  await pause(20);
  expect(bed.puppets).toHaveLength(2);
  bed.puppets[0]!.tell({ type: 'qr', code: 'x' });
  await born(3);
});

it('says that one is starting while it waits for its turn, whatever it was before', async () => {
  start('A');
  start('B');
  await born(2);
  bed.rows.set('C', { ...asleep, id: 'C', state: 'ready' });
  await bed.supervisor.resume(bed.rows.get('C')!);
  expect(bed.puppets).toHaveLength(2);
  expect(bed.rows.get('C')!.state).toBe('starting');
});

it('says that one which was never started does not run', async () => {
  expect(() => bed.supervisor.client('A')).toThrow('Instance A is not connected to WhatsApp (it is not started)');
  await expect(bed.supervisor.pairingCode('A', '255700000001')).rejects.toThrow('(it is not started)');
});

it('starts again what is asked for while it is still being stopped', async () => {
  await bringUp('A', { desiredState: 'run' });
  const stopped = bed.supervisor.stop('A');
  bed.supervisor.start(bed.rows.get('A')!);
  await stopped;
  await born(2);

  const again = bed.supervisor.stop('A');
  bed.rows.set('A', { ...bed.rows.get('A')!, desiredState: 'stopped' });
  bed.supervisor.start(bed.rows.get('A')!);
  await again;
  await pause(30);
  expect(bed.puppets).toHaveLength(2);
});

it('has written all its states when it is stopped, also while it waits for its turn', async () => {
  for (const id of ['A', 'B']) start(id);
  await born(2);
  bed.databaseAnswers = new Promise((resolve) => setImmediate(resolve));
  start('C');
  await bed.supervisor.stop('C').then(() => bed.states.push('C has ended'));
  await until('it is written', () => bed.states.includes('C starting'));
  expect(bed.states.slice(-2)).toEqual(['C starting', 'C has ended']);
});

it('does not start what was stopped while it was about to be started again', async () => {
  const puppet = await bringUp('A', { desiredState: 'run' } as Partial<Instance>);
  const before = bed.puppets.length;
  let letGo = () => undefined as void;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  let isHeld = false;
  const { get } = bed.rows;
  bed.rows.get = (id) => {
    const row = get.call(bed.rows, id);
    isHeld = true;
    return gate.then(() => row) as unknown as Instance;
  };
  const stopping = bed.supervisor.stop('A');
  bed.supervisor.start({ ...asleep, id: 'A' });
  await stopping;
  await until('its row is read', () => isHeld);
  await bed.supervisor.stop('A');
  letGo();
  bed.rows.get = get;
  await new Promise((resolve) => setImmediate(resolve));
  expect(puppet.stopped).toBe(true);
  expect(bed.puppets).toHaveLength(before);
});

it('ignores what a stopped client still says', async () => {
  start('A');
  await born(1);
  await bed.supervisor.stop('A');
  expect(bed.puppets[0]!.stopped).toBe(true);
  bed.puppets[0]!.tell({ type: 'closed', reason: 'late' });
  await pause(20);
  expect(bed.puppets).toHaveLength(1);
});

it('gives a pairing code only while it waits to be linked', async () => {
  start('A');
  await born(1);
  await expect(bed.supervisor.pairingCode('A', '255757000001')).rejects.toThrow('not waiting to be linked');
  bed.puppets[0]!.tell({ type: 'qr', code: 'x' });
  expect(await bed.supervisor.pairingCode('A', '255757000001')).toBe('ABCDEFGH');
  expect(bed.states.at(-1)).toBe('A pairing');
});
