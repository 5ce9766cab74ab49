import { expect, it } from 'vitest';
import { until } from '../../support/clock.ts';
import { pause, useSupervisor } from '../../support/supervisor.ts';

const bed = useSupervisor();
const { born, bringUp, start } = bed;

it('finds a page that has died in silence and starts it again', async () => {
  await bringUp('A');
  bed.probe = () => new Promise(() => undefined);
  await born(2);
  expect(bed.states).toContain('A disconnected: The page does not answer');
});

it('says so before its browser has ended, and takes it for ready no more', async () => {
  await bringUp('A');
  let toldBefore: string[] = [];
  bed.puppets[0]!.client.stop = async () => {
    await pause(50);
    toldBefore = [...bed.states];
    expect(() => bed.supervisor.client('A')).toThrow('not connected');
    return false;
  };
  bed.puppets[0]!.tell({ type: 'closed', reason: 'The page crashed' });
  await born(2);
  expect(toldBefore).toContain('A disconnected: The page crashed');
});

it('finds it as soon while the clock is set back', async () => {
  await bringUp('A');
  bed.clock.advance(-3 * 3_600_000);
  bed.probe = () => new Promise(() => undefined);
  await born(2);
  expect(bed.states).toContain('A disconnected: The page does not answer');
});

it('finds a page that is not WhatsApp Web any more', async () => {
  await bringUp('A');
  bed.probe = () => Promise.reject(new Error('window.require is not a function'));
  await born(2);
});

it('leaves a page alone that answers late, and while this process stands still', async () => {
  await bringUp('A');
  bed.probe = async () => {
    await pause(120);
    return 'CONNECTED';
  };
  await pause(600);
  bed.clock.advance(3_600_000);
  await pause(100);
  expect(bed.puppets).toHaveLength(1);
});

it('learns from a probe what no event has told', async () => {
  await bringUp('A');
  bed.probe = async () => 'TIMEOUT';
  await until('it is disconnected', () => bed.states.at(-1)!.startsWith('A disconnected'));
  bed.probe = async () => 'CONNECTED';
  await until('it may send again', () => bed.ready.length === 2);
  expect(bed.puppets).toHaveLength(1);
});

it('gives up a start that leads nowhere', async () => {
  start('A');
  await born(1);
  bed.clock.advance(121_000);
  await born(2);
  expect(bed.states).toContain('A failed: WhatsApp Web did not open in time');
});

it('lets QR codes be shown for as long as new ones come, and begins anew when none does', async () => {
  start('A');
  await born(1);
  for (let minute = 0; minute < 30; minute += 1) {
    bed.puppets[0]!.tell({ type: 'qr', code: `code ${minute}` });
    bed.clock.advance(60_000);
    await pause(7);
  }
  expect(bed.puppets).toHaveLength(1);
  expect(bed.supervisor.qr('A')?.code).toBe('code 29');
  bed.clock.advance(181_000);
  await born(2);
  expect(bed.states).toContain('A failed: WhatsApp Web shows no new QR code');
});

it('gives up a pairing code that nobody has typed', async () => {
  start('A');
  await born(1);
  bed.puppets[0]!.tell({ type: 'qr', code: 'x' });
  await bed.supervisor.pairingCode('A', '255757000001');
  bed.clock.advance(239_000);
  await pause(20);
  expect(bed.puppets).toHaveLength(1);
  bed.clock.advance(2_000);
  await born(2);
  expect(bed.states).toContain('A failed: The pairing code was not used in time');
});

it('tries a fresh page when the line stays down for ten minutes', async () => {
  const { tell } = await bringUp('A');
  bed.probe = async () => 'TIMEOUT';
  tell({ type: 'connection', state: 'TIMEOUT' });
  bed.clock.advance(599_000);
  await pause(20);
  expect(bed.puppets).toHaveLength(1);
  bed.clock.advance(2_000);
  await born(2);
  expect(bed.states).toContain('A disconnected: WhatsApp Web could not connect again');
});

it('counts the time of a phase also while the clock is set back', async () => {
  start('A');
  await born(1);
  bed.clock.advance(-3 * 3_600_000);
  await pause(20);
  bed.clock.advance(121_000);
  await born(2);
  expect(bed.states).toContain('A failed: WhatsApp Web did not open in time');
});

it('gives a login its time for as long as there is progress', async () => {
  start('A');
  await born(1);
  bed.puppets[0]!.tell({ type: 'authenticating' });
  for (let step = 0; step < 5; step += 1) {
    bed.clock.advance(80_000);
    bed.puppets[0]!.tell({ type: 'progress' });
    await pause(12);
  }
  expect(bed.puppets).toHaveLength(1);
  bed.clock.advance(91_000);
  await born(2);
});
